"""Builds the server: stores and sources, the workflows on them, and the planes for machines and people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from bootgrant.approval.codes import UserCodes
from bootgrant.approval.grant import DeviceGrant
from bootgrant.asgi import App, Receive, Scope, Send
from bootgrant.asgi.answer import plain_answer
from bootgrant.asgi.body_limit import BodyLimit
from bootgrant.asgi.client_address import AllowedNetworks, TrustedProxies
from bootgrant.asgi.observing import Counted, RequestCounts, RequestIds
from bootgrant.asgi.strict_requests import StrictRequests
from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machine_plane.config import ConfigEndpoint
from bootgrant.machine_plane.device_authorization import device_authorization
from bootgrant.machine_plane.endpoint import TOO_LARGE, MachineRules
from bootgrant.machine_plane.git_webhook import GitWebhook
from bootgrant.machine_plane.health import StoreCheck, health, readiness
from bootgrant.machine_plane.issued_tokens import introspection, revocation
from bootgrant.machine_plane.metadata import Metadata
from bootgrant.machine_plane.token import token
from bootgrant.operator_plane.api.app import Listener, build_api
from bootgrant.operator_plane.api.call import ApiPlane
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import build_pages
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.settings import Check
from bootgrant.providers.tokens import Verifier
from bootgrant.service.metrics.collecting import MetricsEndpoint, ServerCollector, Watched, registry_of
from bootgrant.service.parts.decisions import Decisions, build_decisions
from bootgrant.service.parts.machines import site_configurations, webhook_secret
from bootgrant.service.parts.minting import build_minting
from bootgrant.service.parts.people import api_plane, people_plane
from bootgrant.service.parts.short_way import ShortWay
from bootgrant.service.parts.status import SiteStatus
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.limits import LARGEST_BODY, REQUEST_BODY
from bootgrant.workflows.decide.watch_requests import WatchRequests
from bootgrant.workflows.limits.admission import Admission, HeldPolls
from bootgrant.workflows.machine.deliver import DeliverConfig, FindEntry
from bootgrant.workflows.machine.deliver_outside import DeliverOutside
from bootgrant.workflows.machine.deliver_to_bearer import DeliverToBearer
from bootgrant.workflows.machine.mint import MintValues
from bootgrant.workflows.machine.requests import CollectEnded, OpenGrant
from bootgrant.workflows.machine.tokens import MachineTokens, PollGrant
from bootgrant.workflows.machine.two_people import TwoPeople
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.record.notify_waiting import NotifyWaiting
from bootgrant.workflows.record.recording import RecordSnapshots, RecordTokenRefusals

_HOOK = "/hooks/git"
_NOTIFY_EVERY = 1.0
_RECORD_EVERY = 1.0
_CHECK_EVERY = 2.0
_COLLECT_EVERY = 60.0
_COLLECT_MORE = 0.1
"""Seconds until the next round of retention if the last one left some over: rounds are short, so that machines do not
wait for them."""


@dataclass(slots=True)
class Built:
    """The ASGI applications of a site, its background work, and what has to end when the server stops.

    ``public`` answers machines, and people too unless ``pages`` has a listener of its own.
    """

    public: App
    pages: App
    admin: App
    short_way: ShortWay
    held: HeldPolls
    admission: Admission
    source: SiteConfigurations
    notify: NotifyWaiting
    watching: WatchRequests
    decisions: Decisions
    chores: Sequence[Chore]


@dataclass(frozen=True, slots=True)
class Router:
    """Routes a path to its app in ``endpoints``, to the app in ``below`` with its prefix, or to ``otherwise``."""

    endpoints: Mapping[str, App]
    below: Mapping[str, App]
    otherwise: App

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        endpoint = self.endpoints.get(path)
        if endpoint is None:
            endpoint = next((app for prefix, app in self.below.items() if path.startswith(prefix)), self.otherwise)
        await endpoint(scope, receive, send)


def build(
    site: Site,
    database: Database,
    key: bytes,
    held_most: int,
    clock: Clock,
    entropy: Entropy,
    more_chores: Sequence[Chore] = (),
) -> Built:
    """Build the parts of a site. At most ``held_most`` token requests are held; ``more_chores`` join the site's own."""
    codes = UserCodes(key)
    source = site_configurations(site, clock)
    held = HeldPolls(held_most)
    admission = Admission(site.limits.pending_per_address, site.limits.pending, site.grants.lifetime)
    counts = RequestCounts()
    decisions = build_decisions(site, database, source, clock, entropy, codes, admission)
    chores: list[Chore] = []
    status = SiteStatus(site, database, source.current, chores, clock)
    plane = people_plane(site, database, decisions, source.current, key, clock, entropy, status)
    api = api_plane(site, database, decisions, source, clock, entropy, status)
    notify = NotifyWaiting(database.grants, source, database.outbox, clock, entropy, site.operators_url, site.notify)
    verifier = Verifier(site.providers, clock)
    minting = build_minting(site, database, clock, entropy)
    store_check = StoreCheck(database.grants)
    chores += [
        store_check.chore,
        *_site_chores(site, database, decisions, source.current, clock),
        Chore("live pages", plane.watching.step, plane.watching.wait),
        *(_presence_chores(plane.presence) if site.oidc else ()),
        *([Chore("notifications", notify.step, every(_NOTIFY_EVERY))] if site.notify else []),
        minting.chore,
        *database.chores,
        *more_chores,
    ]
    rules = MachineRules(AllowedNetworks(site.networks.machines), site.clients, counts)
    two_people = TwoPeople(source, database.assignments, clock)
    opening = OpenGrant(database.grants, clock, entropy, codes, site.grants, admission, two_people, decisions.arrived)
    busiest = {
        "/device/code": device_authorization(opening, site.operators_url, rules),
        "/token": token(PollGrant(database.grants, clock, site.grants, held, decisions.codes_again), rules),
    }
    issued = MachineTokens(database.grants, clock, site.grants)
    watched = Watched(
        database, counts, notify.counts, held, verifier.clients, clock, source.current, chores, decisions.codes_again
    )
    endpoints: dict[str, App] = {
        **busiest,
        "/introspect": introspection(issued, api.tokens, site.public_url, rules),
        "/revoke": revocation(issued, api.tokens, decisions.decide, rules),
        **_counted(counts, _about_the_server(site, source, store_check, held, chores, watched)),
    }
    delivery = _deliver(
        site, database, source, verifier, clock, notify.report_elsewhere, minting.values, decisions.token_refusals
    )
    config = _without_body("/config", ConfigEndpoint(delivery, rules.networks, counts), counts)
    pages, admin = _people(api, plane, counts, entropy)
    endpoints["/config"] = config
    router = Router(endpoints, {"/config/": config}, pages if site.operators.listen is None else _nothing_else)
    proxies = TrustedProxies(AllowedNetworks(site.networks.trusted_proxies))
    is_sqlite = isinstance(database, SqliteDatabase)
    short_way = ShortWay({path.encode(): each for path, each in busiest.items()}, proxies, not is_sqlite, counts)
    public, people = (proxies.before(StrictRequests(app)) for app in (router, pages))
    return Built(public, people, admin, short_way, held, admission, source, notify, plane.watching, decisions, chores)


def _about_the_server(
    site: Site,
    source: SiteConfigurations,
    store_check: StoreCheck,
    held: HeldPolls,
    chores: Sequence[Chore],
    watched: Watched,
) -> Mapping[str, App]:
    return {
        "/.well-known/oauth-authorization-server": Metadata(site.public_url),
        "/healthz": health(store_check),
        "/readyz": readiness(store_check, source, held, chores),
        "/metrics": _metrics(site, watched),
        **_hooks(site, source),
    }


def _site_chores(
    site: Site, database: Database, decisions: Decisions, current: CurrentRevision, clock: Clock
) -> list[Chore]:
    collect = CollectEnded(database.grants, database.bindings, clock, site.grants.kept)
    snapshots = RecordSnapshots(database.audit, current, clock)
    has_more = False

    async def refresh() -> None:
        # The pause comes first: the server has just read them when it starts.
        await asyncio.sleep(current.pause)
        await asyncio.to_thread(current.refresh)

    async def collect_some() -> None:
        nonlocal has_more
        has_more = await collect.step()

    async def wait_to_collect() -> None:
        await asyncio.sleep(_COLLECT_MORE if has_more else _COLLECT_EVERY)

    return [
        Chore("automatic approvals", decisions.auto_approve.step, decisions.auto_approve.wait),
        Chore("recording of requests", decisions.openings.step, decisions.openings.wait),
        Chore("recording of refused sign-ins", decisions.refusals.step, decisions.refusals.wait),
        Chore("recording of refused tokens", decisions.token_refusals.step, decisions.token_refusals.wait),
        Chore("recording of codes presented again", decisions.codes_again.step, decisions.codes_again.wait),
        Chore("reading of configurations", refresh, every(0.0)),
        Chore("recording of revisions", snapshots.step, every(_RECORD_EVERY)),
        Chore("retention", collect_some, wait_to_collect),
    ]


def _presence_chores(presence: CheckPresence) -> list[Chore]:
    return [
        Chore("checks at providers", presence.step, every(_CHECK_EVERY)),
        Chore("checks before decisions", presence.before_decision, presence.wait_for_decision),
    ]


def _people(api: ApiPlane, plane: OperatorPlane, counts: RequestCounts, entropy: Entropy) -> tuple[App, App]:
    """The pages with the API next to them, and the API for the admin socket."""

    def request_id() -> str:
        return entropy.random_bytes(10).hex()

    public = Router({}, {"/api/": build_api(api, Listener.PUBLIC, ROUTES)}, build_pages(plane))
    admin = build_api(api, Listener.ADMIN_SOCKET, ROUTES)
    return RequestIds(Counted(public, counts), request_id), RequestIds(Counted(admin, counts), request_id)


def _hooks(site: Site, source: SiteConfigurations) -> Mapping[str, App]:
    secret = webhook_secret(site.machine_settings)
    return {} if secret is None else {_HOOK: GitWebhook(secret, source.current.origin.fetch_soon)}


def _deliver(
    site: Site,
    database: Database,
    source: SiteConfigurations,
    verifier: Verifier,
    clock: Clock,
    report: Callable[[DeviceGrant], Awaitable[None]],
    mint: MintValues,
    refusals: RecordTokenRefusals,
) -> DeliverToBearer:
    own = DeliverConfig(database.grants, source, clock, site.grants, report, database.audit, mint)
    if not site.providers:
        return DeliverToBearer(own)
    find_entry, kept = FindEntry(source, database.assignments), site.grants.kept
    stores = database.bindings, database.audit
    # Introspection and userinfo ask again who the person is; a JWT says the same until it expires.
    unchanging = frozenset(each.name for each in site.providers if each.check is Check.JWT)
    outside = DeliverOutside(verifier, find_entry, source, *stores, clock, site.grants, kept, refusals, unchanging)
    return DeliverToBearer(own, outside)


def _counted(counts: RequestCounts, apps: Mapping[str, App]) -> Mapping[str, App]:
    return {path: _without_body(path, Counted(app, counts, path), counts) for path, app in apps.items()}


def _without_body(path: str, app: App, counts: RequestCounts) -> App:
    """Return ``app``, which needs no body, so that a request that announces a large one is refused."""

    async def refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
        counts.answered[path, TOO_LARGE.status] += 1
        await TOO_LARGE.send(send)

    return BodyLimit(app, lambda _: LARGEST_BODY if path == _HOOK else REQUEST_BODY, refuse)


def _metrics(site: Site, watched: Watched) -> MetricsEndpoint:
    collector = ServerCollector(watched)
    networks = AllowedNetworks(site.networks.metrics)
    return MetricsEndpoint(collector, registry_of(collector), networks, bool(site.networks.trusted_proxies))


async def _nothing_else(_scope: Scope, _receive: Receive, send: Send) -> None:
    await plain_answer(404, "this listener is only for machines").send(send)
