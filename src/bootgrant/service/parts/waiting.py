"""Builds what a server serves while its database is older than what it has seen, until an admin accepts it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from bootgrant.asgi import App
from bootgrant.asgi.client_address import AllowedNetworks, TrustedProxies
from bootgrant.asgi.strict_requests import StrictRequests
from bootgrant.machine_plane.endpoint import MachineRules
from bootgrant.machine_plane.waiting import waiting_endpoints
from bootgrant.operator_plane.frame import Look
from bootgrant.operator_plane.waiting import WaitingAdmin, waiting_api, waiting_pages
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.time import Clock
from bootgrant.service.parts.build import Router
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.workflows.people.accept_older import AcceptOlder
from bootgrant.workflows.record.last_seen import LastSeen

_LOOK_EVERY = 2.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """The applications of the listeners, and the background work."""

    public: App
    pages: App
    admin: App
    chore: Chore


def build_waiting(
    site: Site, database: Database, last_seen: LastSeen, clock: Clock, finish: Callable[[], None]
) -> Waiting:
    """Build it. ``finish`` is called once the database has been accepted, here or on another server, or a newer one has
    taken its place."""
    rules = MachineRules(AllowedNetworks(site.networks.machines), site.clients)
    endpoints = waiting_endpoints(site.public_url, rules)
    look = Look(site.name, site.site.colour)
    pages = Router({}, {"/api/": waiting_api}, waiting_pages(look, site.operators_url))
    proxies = TrustedProxies(AllowedNetworks(site.networks.trusted_proxies))
    router = Router(endpoints, {"/config/": endpoints["/config"]}, pages)
    older = AcceptOlder(database.epochs, database.grants, database.operators, database.passkeys, clock, last_seen.seen)
    server = f"{socket.gethostname()}:{site.data}"

    async def look_again() -> None:
        await last_seen.step()
        if last_seen.lost is None:
            finish()
        else:
            await database.epochs.report(server, last_seen.seen, clock.now())

    admin = WaitingAdmin(older, finish).app()
    public, people = (proxies.before(StrictRequests(app)) for app in (router, pages))
    return Waiting(public, people, admin, Chore("waiting for an admin", look_again, every(_LOOK_EVERY)))
