"""Notifications of a site: the chore of a running server, and the test that needs none."""

from __future__ import annotations

import asyncio
import logging

from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.notifications import NotSent
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.workflows.record.notify_waiting import NotifyWaiting, send_test

log = logging.getLogger("bootgrant.notify")
_EVERY = 1.0


async def notify_forever(notify: NotifyWaiting) -> None:
    """As long as the server runs. A database that is away for a moment delays messages and loses none."""
    down = False
    while True:
        try:
            await notify.step()
            down = False
        except StoreUnavailable as error:
            if not down:
                log.error("nobody is notified while the database is away: %s", error)  # noqa: TRY400
            down = True
        await asyncio.sleep(_EVERY)


async def send_tests(site: Site, name: str | None) -> dict[str, str]:
    """Send a test to the target of this name, or to all; by name why it did not arrive, empty when it did."""
    outcomes: dict[str, str] = {}
    for target in site.notify:
        if name not in (None, target.name):
            continue
        try:
            message_id = f"msg_{SystemEntropy().random_bytes(12).hex()}"
            await send_test(target, site.operators_url, SystemClock().now(), message_id)
        except NotSent as error:
            outcomes[target.name] = str(error)
        else:
            outcomes[target.name] = ""
    return outcomes
