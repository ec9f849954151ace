"""Who waits for which grant to change, within one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class ChangeBoard:
    """Subscriptions by grant id. Used from one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Future[None]]] = {}

    @contextmanager
    def watch(self, grant_id: str) -> Iterator[asyncio.Future[None]]:
        """A future that ends at the next change of this grant."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(grant_id, set()).add(future)
        try:
            yield future
        finally:
            futures = self._waiting[grant_id]
            futures.discard(future)
            if not futures:
                del self._waiting[grant_id]
            future.cancel()

    def announce(self, grant_id: str) -> None:
        """Wake everybody who watches this grant."""
        for future in self._waiting.get(grant_id, ()):
            if not future.done():
                future.set_result(None)
