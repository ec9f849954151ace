"""Put the server together: stores and sources behind the workflows, the two planes in front of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bootgrant.approval.codes import UserCodes
from bootgrant.asgi import App, Receive, Scope, Send
from bootgrant.asgi.answer import plain_answer
from bootgrant.asgi.client_address import AllowedNetworks, TrustedProxies
from bootgrant.asgi.observing import Counted, RequestCounts, RequestIds
from bootgrant.asgi.strict_requests import StrictRequests
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machine_plane.config import ConfigEndpoint
from bootgrant.machine_plane.device_authorization import device_authorization
from bootgrant.machine_plane.endpoint import MachineRules
from bootgrant.machine_plane.git_webhook import GitWebhook
from bootgrant.machine_plane.health import health, readiness
from bootgrant.machine_plane.issued_tokens import introspection, revocation
from bootgrant.machine_plane.metadata import Metadata
from bootgrant.machine_plane.token import token
from bootgrant.operator_plane.api.app import Listener, build_api
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import build_pages
from bootgrant.ports.database import Database
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.tokens import Verifier
from bootgrant.service.metrics.collecting import ServerCollector, Watched, registry_of
from bootgrant.service.metrics.endpoint import MetricsEndpoint
from bootgrant.service.parts.decisions import Decisions, build_decisions
from bootgrant.service.parts.http_protocol import ShortWay
from bootgrant.service.parts.machines import site_configurations, webhook_secret
from bootgrant.service.parts.people import api_plane, people_plane
from bootgrant.service.settings.site import Site
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.decide.watch_requests import WatchRequests
from bootgrant.workflows.limits.admission import Admission, HeldPolls
from bootgrant.workflows.machine.deliver import DeliverConfig, DeliverOutside, DeliverToBearer, FindEntry
from bootgrant.workflows.machine.requests import CollectEnded, OpenGrant
from bootgrant.workflows.machine.tokens import MachineTokens, PollGrant
from bootgrant.workflows.record.notify_waiting import NotifyWaiting
from bootgrant.workflows.record.recording import RecordSnapshots

_CONFIG = "/config"
_API = "/api/"


@dataclass(frozen=True, slots=True)
class Built:
    """The ASGI applications of a site, and the parts that the server runs and stops.

    ``public`` answers machines, and people as well unless ``pages`` have their own listener.
    """

    public: App
    pages: App
    admin: App
    short_way: ShortWay
    held: HeldPolls
    admission: Admission
    collect: CollectEnded
    source: SiteConfigurations
    notify: NotifyWaiting
    watching: WatchRequests
    decisions: Decisions
    snapshots: RecordSnapshots


@dataclass(frozen=True, slots=True)
class Router:
    """Routes the paths of ``endpoints``, ``/config`` and below to ``config``, and other paths to ``otherwise``."""

    endpoints: Mapping[str, App]
    config: App
    otherwise: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        endpoint = self.endpoints.get(path)
        if endpoint is None:
            endpoint = self.config if path == _CONFIG or path.startswith(_CONFIG + "/") else self.otherwise
        await endpoint(scope, receive, send)


@dataclass(frozen=True, slots=True)
class _Below:
    """Routes paths below ``prefix`` to ``app``, and others to ``otherwise``."""

    prefix: str
    app: App
    otherwise: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        below = scope["type"] == "http" and scope["path"].startswith(self.prefix)
        await (self.app if below else self.otherwise)(scope, receive, send)


def build(site: Site, database: Database, key: bytes, held_most: int, clock: Clock, entropy: Entropy) -> Built:
    """Put the parts of a site together; ``held_most`` is the maximum number of held polls."""
    codes = UserCodes(key)
    source = site_configurations(site, clock)
    held = HeldPolls(held_most)
    admission = Admission(site.limits.pending_per_address, site.limits.pending, site.grants.lifetime)
    counts = RequestCounts()
    rules = MachineRules(AllowedNetworks(site.networks.machines), site.clients, counts)
    decisions = build_decisions(site, database, source, clock, entropy, codes, admission)
    plane = people_plane(site, database, decisions, source.current, clock, entropy)
    api = api_plane(site, database, decisions, source, clock, entropy)
    request_id = partial(_request_id, entropy)
    pages = RequestIds(
        Counted(_Below(_API, build_api(api, Listener.PUBLIC, ROUTES), build_pages(plane)), counts), request_id
    )
    notify = NotifyWaiting(database.grants, source, database.outbox, clock, entropy, site.operators_url, site.notify)
    verifier = Verifier(site.providers, clock)
    metrics = _metrics(site, Watched(database, counts, notify.counts, held, verifier.clients, clock, source.current))
    look = MachineTokens(database.grants, clock, site.grants)
    busiest = {
        "/device/code": device_authorization(
            OpenGrant(database.grants, clock, entropy, codes, site.grants, admission, decisions.arrived),
            site.operators_url,
            rules,
        ),
        "/token": token(PollGrant(database.grants, clock, site.grants, held), rules),
    }
    router = Router(
        endpoints={
            **busiest,
            "/introspect": introspection(look, api.tokens, site.public_url, rules),
            "/revoke": revocation(look, api.tokens, decisions.decide, rules),
            **_counted(
                counts,
                {
                    "/.well-known/oauth-authorization-server": Metadata(site.public_url),
                    "/healthz": health(database.grants),
                    "/readyz": readiness(database.grants, source, held),
                    "/metrics": metrics,
                    **_hooks(site, source),
                },
            ),
        },
        config=ConfigEndpoint(_deliver(site, database, source, verifier, clock), rules.networks, counts),
        otherwise=pages if site.operators.listen is None else _nothing_else,
    )
    admin = RequestIds(Counted(build_api(api, Listener.ADMIN_SOCKET, ROUTES), counts), request_id)
    collect = CollectEnded(database.grants, database.bindings, clock, site.grants.kept)
    proxies = TrustedProxies(AllowedNetworks(site.networks.trusted_proxies))
    endpoints = {path.encode(): endpoint for path, endpoint in busiest.items()}
    short_way = ShortWay(endpoints, proxies, in_tasks=not isinstance(database, SqliteDatabase), counts=counts)
    public, people = (proxies.before(StrictRequests(app)) for app in (router, pages))
    snapshots = RecordSnapshots(database.audit, source.current, clock)
    return Built(
        public, people, admin, short_way, held, admission, collect, source, notify, plane.watching, decisions, snapshots
    )


def _hooks(site: Site, source: SiteConfigurations) -> Mapping[str, App]:
    secret = webhook_secret(site.machine_settings)
    return {} if secret is None else {"/hooks/git": GitWebhook(secret, source.current.origin.fetch_soon)}


def _deliver(
    site: Site, database: Database, source: SiteConfigurations, verifier: Verifier, clock: Clock
) -> DeliverToBearer:
    own = DeliverConfig(database.grants, source, clock, site.grants)
    if not site.providers:
        return DeliverToBearer(own)
    find_entry = FindEntry(source, database.assignments)
    kept = site.grants.kept
    outside = DeliverOutside(verifier, find_entry, source, database.bindings, database.audit, clock, site.grants, kept)
    return DeliverToBearer(own, outside)


def _counted(counts: RequestCounts, apps: Mapping[str, App]) -> Mapping[str, App]:
    return {path: Counted(app, counts, path) for path, app in apps.items()}


def _metrics(site: Site, watched: Watched) -> MetricsEndpoint:
    collector = ServerCollector(watched)
    networks = AllowedNetworks(site.networks.metrics)
    return MetricsEndpoint(collector, registry_of(collector), networks, bool(site.networks.trusted_proxies))


def _request_id(entropy: Entropy) -> str:
    return entropy.random_bytes(10).hex()


async def _nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    await plain_answer(404, "only machines are answered here").send(send)
