"""Blocking calls that may hang, such as a write to a network file system, apart from everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

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
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if done.done():
                return
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def work() -> None:
            error: BaseException | None = None
            try:
                call()
            except Exception as caught:  # noqa: BLE001  (raised where the call was made)
                error = caught
            finally:
                self._free.release()
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, error)

        threading.Thread(target=work, daemon=True, name="audit sink").start()
        await done
