"""Running the built server until SIGINT or SIGTERM: every held poll is answered, then the sockets close."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator

import uvicorn
import uvloop

from bootgrant.asgi.types import App
from bootgrant.ports.grant_store import StoreUnavailable
from bootgrant.service.build import build
from bootgrant.service.data_folder import admin_socket, code_key, prepare_data_folder
from bootgrant.service.listening import listen_admin, listen_public
from bootgrant.service.settings import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.collect_ended import CollectEnded

log = logging.getLogger("bootgrant")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the two servers stop together, after the held polls."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.answering.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve(site: Site, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until a signal. ``ready`` is called when both sockets answer.

    Raises SettingsError and StoreUnavailable before anything is served.
    """
    prepare_data_folder(site.data)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(SqliteDatabase(site.data))
        public = stack.enter_context(listen_public(*site.listen))
        path = admin_socket(site.data)
        admin = stack.enter_context(listen_admin(path))
        stack.callback(path.unlink, missing_ok=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(site, database, public, admin, ready))


async def _serve(
    site: Site, database: SqliteDatabase, public: socket.socket, admin: socket.socket, ready: Callable[[], None]
) -> None:
    built = build(site, database, code_key(site.data), _held_most(), SystemClock(), SystemEntropy())
    now = SystemClock().now()
    built.admission.add_all(await database.grants.pending_grants(now, site.pending_in_all))
    servers = [_server(built.public), _server(built.admin)]

    def stop() -> None:
        log.info("stopping: %d waiting machines are told to ask again", len(built.held))
        built.held.drain()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    running = [
        asyncio.create_task(server.serve(sockets=[sock])) for server, sock in zip(servers, (public, admin), strict=True)
    ]
    for server in servers:
        await server.answering.wait()
    ready()
    collecting = asyncio.create_task(_collect(built.collect))
    await asyncio.gather(*running)
    collecting.cancel()


async def _collect(collect: CollectEnded) -> None:
    """Forget what is over, a few at a time, as long as the server runs."""
    while True:
        try:
            more = await collect.step()
        except StoreUnavailable as error:
            log.error("old grants were not collected: %s", error)  # noqa: TRY400  (the reason is the message)
            more = False
        await asyncio.sleep(0.1 if more else 60)


def _server(app: App) -> _Server:
    return _Server(
        uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="off",
            loop="none",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=5,
        )
    )


def _held_most() -> int:
    """Four fifths of the open files that this process may have; the rest is for those who decide."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (soft, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft * 4 // 5
