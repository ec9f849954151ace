"""After a delivery, its preview is kept: what people may see of the configuration, to compare with what it is later.

It is made after the delivery was recorded, so it delays no machine, and no delivery fails because of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from typing import Final

from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.deliveries import DeliveryStore, LastDelivery, NoPreview

log = logging.getLogger("bootgrant.machines")

LONGEST: Final = 512 << 10
"""Characters of a preview that is kept."""
_AT_ONCE: Final = 20
_LOOK_EVERY: Final = 60.0
"""Seconds until previews are made that another server, or an earlier run of this one, left over."""


@dataclass(slots=True)
class KeepPreviews:
    """A chore for one event loop: ``step``, then ``wait``."""

    deliveries: DeliveryStore
    source: ConfigSource
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def recorded(self) -> None:
        """Make previews soon: a delivery was recorded."""
        self._news.set()

    async def step(self) -> None:
        """Keep the previews of some deliveries, one after another. Raises StoreUnavailable."""
        self._news.clear()
        pending = await self.deliveries.without_preview(_AT_ONCE)
        for delivery in pending:
            await self.deliveries.keep_preview(delivery, await self._preview(delivery))
        if len(pending) == _AT_ONCE:
            self._news.set()

    async def wait(self) -> None:
        """Return when the next step is due."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):
                await self._news.wait()

    async def _preview(self, delivery: LastDelivery) -> str | NoPreview:
        try:
            if not await self._is_current(delivery):
                return NoPreview.CHANGED
            preview = await self.source.preview(delivery.entry, delivery.identity, plain=True)
            # The configurations may have changed while it was made.
            if preview is None or not await self._is_current(delivery):
                return NoPreview.CHANGED
        except ConfigUnavailable:
            return NoPreview.FAILED
        except Exception:
            log.exception("no preview of the delivery of %s", ascii(delivery.entry))
            return NoPreview.FAILED
        return preview if len(preview) <= LONGEST else NoPreview.LARGE

    async def _is_current(self, delivery: LastDelivery) -> bool:
        """Return whether the machine would get now what it got then."""
        rendered = await self.source.render(delivery.entry, delivery.identity)
        if rendered is None:
            return False
        if delivery.made:
            # Nobody can make the values again.
            return rendered.entry.revision == delivery.revision
        return rendered.sha256 == delivery.digest
