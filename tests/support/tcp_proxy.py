"""A connection to PostgreSQL that breaks at the worst moment: after a commit, before its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_SYNC = b"S\x00\x00\x00\x04"
"""The message that ends a transaction in pipeline mode (PostgreSQL, frontend/backend protocol, section 55.7)."""


class BreakingProxy:
    """Pass bytes both ways until a connection sends ``trap`` and then the end of its transaction. From there on its
    answers are held back, and ``spring`` cuts it."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._trap = b""
        self._caught: list[asyncio.StreamWriter] = []
        self._open: set[asyncio.Task[None]] = set()
        self.caught = asyncio.Event()
        self.port = 0

    def set_trap(self, trap: bytes) -> None:
        self.caught.clear()
        self._trap = trap

    def spring(self) -> None:
        """Cut the caught connections."""
        for writer in self._caught:
            writer.close()
        self._caught.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        answers = asyncio.create_task(self._pass_answers(there, writer))
        trapped = False
        try:
            while data := await reader.read(1 << 16):
                trapped = trapped or (bool(self._trap) and self._trap in data)
                if trapped and _SYNC in data and writer not in self._caught:
                    self._trap, trapped = b"", False
                    self._caught.append(writer)
                    self.caught.set()
                back.write(data)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            for end in (back, writer):
                end.close()
            await asyncio.gather(answers, back.wait_closed(), writer.wait_closed(), return_exceptions=True)
            self._open.discard(task)

    async def _pass_answers(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await there.read(1 << 16):
                if writer not in self._caught:
                    writer.write(data)
            if writer not in self._caught:
                writer.close()

    async def end(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)


@asynccontextmanager
async def breaking_proxy(port: int) -> AsyncIterator[BreakingProxy]:
    """Run a proxy in front of a loopback port."""
    proxy = BreakingProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.end()
