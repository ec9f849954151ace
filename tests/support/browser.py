"""Debian's Chromium, driven by Playwright, and an application served to it from a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import uvicorn
from playwright.sync_api import Browser, sync_playwright

from bootgrant.asgi import App
from support.parts import program
from support.site import free_port, wait_until

_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
T = TypeVar("T")


@contextmanager
def chromium(resolver_rules: str = "") -> Iterator[Browser]:
    """Start a headless Chromium. ``resolver_rules`` are such as ``MAP boot.example:8080 127.0.0.1:40001``."""
    path = program("chromium", "chromium")
    arguments = [*_ARGUMENTS, *([f"--host-resolver-rules={resolver_rules}"] if resolver_rules else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=arguments)
        yield browser
        browser.close()


class ServedApp:
    """An application on a local port, in its own event loop."""

    def __init__(self, app: App) -> None:
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        config = uvicorn.Config(app, port=self.port, lifespan="off", log_config=None, ws="none", proxy_headers=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run something in the application's event loop, to which its store belongs."""

        async def done() -> T:
            return await work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(30)

    def __enter__(self) -> ServedApp:
        self._thread.start()
        wait_until(lambda: self._server.started, "the application answers")
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve())
        self._loop.close()
