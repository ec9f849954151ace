"""Fleets of simulated Talos nodes for a server under test."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Callable, Coroutine, Mapping, Sequence
from urllib.parse import urlsplit

import uvloop

from bench.peers.server import Server
from bootgrant.cli.rehearsal_sites import Approver, entries
from bootgrant.fleet.behaviour import Paths
from bootgrant.fleet.exchange import Address
from bootgrant.fleet.rehearsal import Approve, Rehearsal, Rehearsed, Site, holds_identity
from bootgrant.fleet.report import Report, build_report
from bootgrant.fleet.scenario import Run, Scenario

Watch = Callable[[Rehearsal], Coroutine[None, None, None]]
"""Runs during a rehearsal, for instance to measure memory, and is cancelled at its end."""


def rehearse(server: Server, scenario: Scenario, watch: Watch | None = None) -> Report:
    """Run a rehearsal on a bootgrant server, with approvals over its admin socket."""
    if server.folder is None:
        raise ValueError(f"{server.name} has no admin socket")
    run = Run(secrets.token_hex(4))
    approve = Approver(server.folder / "data" / "admin.sock", run, verify=False)
    with entries(server.folder / "machines", run, scenario.machines):
        rehearsed = _go({"": _rehearsal(server, scenario, run, approve)}, watch)[""]
    return build_report(rehearsed, run.name, server.url)


def rehearse_on_all(shared: Sequence[Server], scenario: Scenario, watch: Watch | None = None) -> list[Report]:
    """Run a fleet on each server of a site at the same time, and approve all machines on the first server."""
    first = shared[0]
    if first.folder is None:
        raise ValueError(f"{first.name} has no admin socket")
    rehearsals, runs = {}, {}
    with contextlib.ExitStack() as stack:
        for server in shared:
            run = runs[server.name] = Run(secrets.token_hex(4))
            stack.enter_context(entries(first.folder / "machines", run, scenario.machines))
            approve = Approver(first.folder / "data" / "admin.sock", run, verify=False)
            rehearsals[server.name] = _rehearsal(server, scenario, run, approve)
        done = _go(rehearsals, watch)
    return [build_report(done[server.name], runs[server.name].name, server.url) for server in shared]


def wait_side_by_side(servers: Mapping[str, Server], scenario: Scenario) -> dict[str, Rehearsed]:
    """Run a fleet on each server at the same time, without decisions."""
    return _go(
        {name: _rehearsal(server, scenario, Run(secrets.token_hex(4)), None) for name, server in servers.items()}
    )


def _rehearsal(server: Server, scenario: Scenario, run: Run, approve: Approve | None) -> Rehearsal:
    where = urlsplit(server.url)
    paths = Paths(
        where.netloc, server.endpoints.device, server.endpoints.token, "/config?uuid=${uuid}", scenario.client_id
    )
    sources = [
        f"127.{64 + (index >> 16)}.{index >> 8 & 255}.{index & 255}" for index in range(1, scenario.machines + 1)
    ]
    site = Site(
        Address(where.hostname or "", where.port or 80, where.hostname or "", _tls(where.scheme)), paths, sources
    )
    return Rehearsal(site, scenario, run, holds_identity, approve)


def _tls(scheme: str) -> ssl.SSLContext | None:
    """Return a context that accepts any certificate: only the cost of handshakes is measured."""
    if scheme != "https":
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _go(rehearsals: Mapping[str, Rehearsal], watch: Watch | None = None) -> dict[str, Rehearsed]:
    async def go() -> dict[str, Rehearsed]:
        watching = [asyncio.create_task(watch(next(iter(rehearsals.values()))))] if watch else []
        try:
            return dict(zip(rehearsals, await asyncio.gather(*(r.go() for r in rehearsals.values())), strict=True))
        finally:
            for task in watching:
                task.cancel()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(go())
