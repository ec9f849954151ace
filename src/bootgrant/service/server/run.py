"""Runs the server until SIGINT or SIGTERM; then it answers every held poll and closes its sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import uvicorn
import uvloop

from bootgrant.asgi import App
from bootgrant.asgi.client_address import AllowedNetworks
from bootgrant.asgi.observing import RequestCounts
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.configurations.worker_process import end_workers
from bootgrant.machine_plane.waiting import WAITS
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.service.certificates.challenges import ChallengeApp
from bootgrant.service.certificates.served import ServedCertificate
from bootgrant.service.data_folder import admin_socket, code_key, control_socket, prepare_data_folder
from bootgrant.service.parts.audit_stream import end_streams
from bootgrant.service.parts.build import Built, build
from bootgrant.service.parts.connections import Connections, FileLimits
from bootgrant.service.parts.database import check_database, open_database
from bootgrant.service.parts.decisions import Decisions
from bootgrant.service.parts.http_protocol import PatientProtocol, protocol_with
from bootgrant.service.parts.open_polls import OpenPolls
from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.service.parts.short_way import NO_SHORT_WAY, ShortWay
from bootgrant.service.parts.waiting import build_waiting
from bootgrant.service.server.accepting import Acceptor
from bootgrant.service.server.chores import Chores
from bootgrant.service.server.listening import Inherited, inherited, wider_than
from bootgrant.service.server.supervised import SupervisorChannel
from bootgrant.service.server.tls import ServerTls
from bootgrant.service.settings.setting import SettingsError
from bootgrant.service.settings.site import Site
from bootgrant.service.supervisor.places import BACKLOG, Tcp, Unix
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.sources.programs import end_programs
from bootgrant.store.database import Database
from bootgrant.workflows.record.last_seen import EVERY, LastSeen

log = logging.getLogger("bootgrant")
_FIRST_READ = 5.0
_DATABASE_PATIENCE = 20.0
_HANDSHAKES = 0.5
"""Seconds to finish TLS handshakes when the server stops: uvicorn does not know these connections yet."""
_NO_PAGES = (
    "systemd passed a socket for the pages, but operators.listen is empty: set it, or disable the socket "
    "(systemctl disable --now bootgrant-people.socket)"
)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers and its way to accept connections.

    All listeners stop together, after the held polls are answered.
    """

    def __init__(self, config: uvicorn.Config, tls: ServerTls | None, connections: Connections) -> None:
        super().__init__(config)
        self.answering = asyncio.Event()
        self._tls = tls
        self._connections = connections

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = cast(
            "list[asyncio.Server]",
            [Acceptor(each, self._protocol, self._tls, self._connections) for each in sockets or ()],
        )
        self.started = True
        self.answering.set()

    def _protocol(self) -> PatientProtocol:
        make = cast("type[PatientProtocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state={})

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the listening sockets, wait for TLS handshakes, and then let the connections end."""
        for server in self.servers:
            server.close()
        await asyncio.sleep(_HANDSHAKES if self._tls else 0)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class _Listeners:
    """The sockets for machines and people, for people only (if there is a separate one), and for the admin API.

    ``challenges`` is the one for plain HTTP that an ACME authority calls, if it does.
    """

    public: socket.socket
    pages: socket.socket | None
    admin: socket.socket
    challenges: socket.socket | None = None


def serve(
    site: Site, supervisor: SupervisorChannel, ready: Callable[[], None], taken: Inherited, polls: OpenPolls
) -> None:
    """Serve until a signal arrives or the supervisor ends. ``ready`` is called when every socket answers.

    ``taken`` are listening sockets to use instead of ``listen`` and ``operators.listen``, ``polls`` what this process
    has to answer if it is killed (bootgrant.service.server.last_answers). Raises SettingsError and
    StoreUnavailable before the first request is served, and SupervisorGone.
    """
    prepare_data_folder(site.data)
    tls = ServerTls.of(ServedCertificate(site, SystemClock()))
    if taken.pages is not None and site.operators.listen is None:
        raise SettingsError(_NO_PAGES)
    # What would keep this server from starting is found while the one before it still serves.
    asyncio.run(check_database(site, patience=_DATABASE_PATIENCE))
    supervisor.wait_for_turn(site.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_open_and_serve(site, supervisor, tls, ready, taken, polls))


async def _open_and_serve(
    site: Site,
    supervisor: SupervisorChannel,
    tls: ServerTls | None,
    ready: Callable[[], None],
    taken: Inherited,
    polls: OpenPolls,
) -> None:
    def listener(descriptor: int | None, setting: str, place: Tcp) -> socket.socket:
        if descriptor is None:
            return supervisor.listener(place)
        passed_on = inherited(descriptor)
        if problem := wider_than(passed_on, setting, place.host):
            log.warning("%s", problem)
        return passed_on

    # The lock of the database prevents a second server from replacing the sockets of this one.
    async with open_database(site, SystemClock().now(), patience=_DATABASE_PATIENCE) as database:
        last_seen = LastSeen(database.epochs, SeenInFolder(site.data), SystemClock())
        await last_seen.begin()
        with contextlib.ExitStack() as stack:
            public = stack.enter_context(listener(taken.public, "listen", Tcp(*site.listen)))
            pages = None
            if site.operators.listen:
                pages = stack.enter_context(listener(taken.pages, "operators.listen", Tcp(*site.operators.listen)))
            admin = stack.enter_context(supervisor.listener(Unix(str(admin_socket(site.data)))))
            challenges = None
            if site.tls.needs_http:
                challenges = stack.enter_context(supervisor.listener(Tcp(*site.tls.acme.http_listen)))
            listeners = _Listeners(public, pages, admin, challenges)
            if last_seen.lost is None:
                await _serve(site, database, last_seen, listeners, tls, supervisor, ready, polls)
            else:
                await _wait(site, database, last_seen, listeners, tls, supervisor, ready)


async def _serve(
    site: Site,
    database: Database,
    last_seen: LastSeen,
    listeners: _Listeners,
    tls: ServerTls | None,
    supervisor: SupervisorChannel,
    ready: Callable[[], None],
    polls: OpenPolls,
) -> None:
    async def look() -> None:
        await last_seen.step()
        if last_seen.lost is not None:
            log.error("stopping: %s", WAITS)
            stop()

    own = [Chore("last seen of the database", look, every(EVERY)), *(tls.chores if tls else [])]
    clock = SystemClock()
    database.call_after_taking_away(last_seen.after_taking_away)
    files = FileLimits(_raised_file_limit())
    built = build(site, database, code_key(site.code_key_path), files.held, clock, SystemEntropy(), own)
    built.admission.add_all(await database.grants.pending_grants(clock.now(), site.limits.pending))
    served = _servers(site, built, listeners, tls, files, polls)

    def stop() -> None:
        log.info("stopping: answering %d held polls, so that the machines poll again", len(built.held))
        built.held.drain()
        built.watching.drain()
        # A repository that does not respond must not keep the next server waiting. The workers first, so that a
        # program that is killed is not taken for a fault of the configurations.
        end_workers()
        end_programs()
        for server, _ in served:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    supervisor.watch(loop, stop)
    # A repository that does not respond must not delay machines.
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(_first_read(built.source), _FIRST_READ)
    chores = Chores(built.chores)
    chores.start()
    running = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in served]
    for server, _ in served:
        await server.answering.wait()
    _limit_garbage_collections()
    ready()
    supervisor.serving(control_socket(site.data))
    await asyncio.gather(*running)
    await chores.stop()
    await built.notify.stop()
    if built.push is not None:
        await built.push.stop()
    await end_streams(built.streams)
    await _last_records(built.decisions)
    await last_seen.after_taking_away()
    if last_seen.lost is not None:
        supervisor.refuse(WAITS)


async def _wait(
    site: Site,
    database: Database,
    last_seen: LastSeen,
    listeners: _Listeners,
    tls: ServerTls | None,
    supervisor: SupervisorChannel,
    ready: Callable[[], None],
) -> None:
    """Let machines and people wait until an admin has accepted the older database, or it is a newer one again."""

    def stop() -> None:
        for server, _ in served:
            server.should_exit = True

    def finish() -> None:
        if is_over.is_set():
            return
        log.info("the database was accepted, or is the newer one again: starting the server")
        is_over.set()
        stop()

    log.error("%s", WAITS)
    is_over = asyncio.Event()
    waiting = build_waiting(site, database, last_seen, SystemClock(), finish)
    files = FileLimits(_raised_file_limit())
    proxies, counts = AllowedNetworks(site.networks.trusted_proxies), RequestCounts()
    shared = Connections(files.connections, files.per_address, proxies, counts)
    own = Connections(files.admin, files.admin, AllowedNetworks(()), counts)
    served = [
        (_server(waiting.public, tls, shared, _hsts(site, site.public_url)), listeners.public),
        (_server(waiting.admin, None, own, []), listeners.admin),
    ]
    if listeners.pages is not None:
        served.append((_server(waiting.pages, tls, shared, _hsts(site, site.operators_url)), listeners.pages))
    served += _challenges(site, listeners, tls, shared)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    supervisor.watch(loop, stop)
    chores = Chores([waiting.chore, *(tls.chores if tls else [])])
    chores.start()
    running = [asyncio.create_task(server.serve(sockets=[listener])) for server, listener in served]
    for server, _ in served:
        await server.answering.wait()
    ready()
    supervisor.serving(control_socket(site.data))
    await asyncio.gather(*running)
    await chores.stop()
    if is_over.is_set():
        supervisor.refuse("the older database was accepted, or is the newer one again")


def _servers(
    site: Site,
    built: Built,
    listeners: _Listeners,
    tls: ServerTls | None,
    files: FileLimits,
    polls: OpenPolls,
) -> list[tuple[_Server, socket.socket]]:
    """Return a server for each listening socket. Those of machines and people share their limits of connections."""
    counts, proxies = built.short_way.counts, AllowedNetworks(site.networks.trusted_proxies)
    per_address = site.limits.connections_per_address or files.per_address
    shared = Connections(files.connections, per_address, proxies, counts)
    # Local commands have descriptors of their own.
    admin = Connections(files.admin, files.admin, AllowedNetworks(()), counts)
    urls = (site.public_url,) if listeners.pages else (site.public_url, site.operators_url)
    served = [
        (_server(built.public, tls, shared, _hsts(site, *urls), built.short_way, polls), listeners.public),
        (_server(built.admin, None, admin, []), listeners.admin),
    ]
    if listeners.pages is not None:
        served.append((_server(built.pages, tls, shared, _hsts(site, site.operators_url)), listeners.pages))
    return served + _challenges(site, listeners, tls, shared)


def _challenges(
    site: Site, listeners: _Listeners, tls: ServerTls | None, shared: Connections
) -> list[tuple[_Server, socket.socket]]:
    if listeners.challenges is None or tls is None:
        return []
    return [(_server(ChallengeApp(tls.answers.tokens, site.public_url), None, shared, []), listeners.challenges)]


async def _last_records(decisions: Decisions) -> None:
    try:
        await decisions.openings.step()
        await decisions.refusals.step()
        await decisions.token_refusals.step()
    except StoreUnavailable as error:
        log.error("the audit log may lack the latest requests and refused sign-ins: %s", error)  # noqa: TRY400


def _limit_garbage_collections() -> None:
    """Make full garbage collections rare: each one pauses the server, longer with more waiting machines.

    Objects of waiting machines are freed by reference counting; young garbage is still collected.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)


async def _first_read(source: SiteConfigurations) -> None:
    try:
        await asyncio.to_thread(source.prepare)
    except Exception:
        # A chore retries and counts the failures.
        log.exception("machine configurations could not be read at startup")


def _hsts(site: Site, *urls: str) -> list[tuple[str, str]]:
    """Return the header by which browsers use only HTTPS (RFC 6797), if one of a listener's URLs is https.

    Browsers ignore it over plain HTTP, and from an address that is not a name.
    """
    if not site.tls.hsts or not any(url.startswith("https:") for url in urls):
        return []
    return [("strict-transport-security", f"max-age={site.tls.hsts:.0f}")]


def _server(
    app: App,
    tls: ServerTls | None,
    connections: Connections,
    headers: list[tuple[str, str]],
    short_way: ShortWay = NO_SHORT_WAY,
    polls: OpenPolls | None = None,
) -> _Server:
    config = uvicorn.Config(
        app,
        # Nobody else could answer on a connection that this process encrypts.
        http=protocol_with(short_way, polls if tls is None else None),
        ws="none",
        lifespan="off",
        loop="none",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        headers=headers,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=5,
        backlog=BACKLOG,
    )
    config.load()
    config.ssl = tls.context if tls else None
    return _Server(config, tls, connections)


def _raised_file_limit() -> int:
    """Raise the limit of open files as far as it goes, and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard not in (soft, resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft
