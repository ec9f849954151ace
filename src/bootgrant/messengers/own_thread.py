"""Blocking calls that may hang, such as a write to a network file system, apart from everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from bootgrant.ports.notifications import NotSent


class OwnThread:
    """Runs one call at a time in a thread of its own.

    A call that hangs takes no thread of others, and does not keep the process from ending. Until it ends, further calls
    are refused.
    """

    def __init__(self) -> None:
        self._free = threading.Lock()

    async def run(self, call: Callable[[], None]) -> None:
        """Run the call and raise what it raises. Raises NotSent while an earlier call hangs."""
        if not self._free.acquire(blocking=False):
            raise NotSent("an earlier attempt still hangs")

        def work() -> None:
            try:
                call()
            finally:
                self._free.release()

        await in_own_thread(work, "audit sink")


async def in_own_thread(call: Callable[[], None], name: str) -> None:
    """Run the call in a thread that does not keep the process from ending, and raise what it raises."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: Exception | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        outcome: Exception | None = None
        try:
            call()
        except Exception as error:  # noqa: BLE001  (raised where the call was made)
            outcome = error
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, outcome)

    threading.Thread(target=work, daemon=True, name=name).start()
    await done
