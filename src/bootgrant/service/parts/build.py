"""Builds the server: stores and sources, the workflows on them, and the planes for machines and people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from bootgrant.approval.codes import UserCodes
from bootgrant.approval.grant import DeviceGrant
from bootgrant.asgi import App, Receive, Scope, Send
from bootgrant.asgi.answer import plain_answer
from bootgrant.asgi.body_limit import BodyLimit
from bootgrant.asgi.client_address import AllowedNetworks, TrustedProxies
from bootgrant.asgi.observing import Counted, RequestCounts, RequestIds
from bootgrant.asgi.strict_requests import StrictRequests
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.machine_plane.config import ConfigEndpoint
from bootgrant.machine_plane.device_authorization import device_authorization
from bootgrant.machine_plane.endpoint import TOO_LARGE, MachineRules, OAuthEndpoint
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
from bootgrant.ports.chores import Chore
from bootgrant.ports.status import Health
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.settings import Check
from bootgrant.providers.tokens import Verifier
from bootgrant.service.certificates.authority_file import AuthorityFile
from bootgrant.service.certificates.private_files import certificate_folder, certificate_path
from bootgrant.service.metrics.collecting import MetricsEndpoint, ServerCollector, Watched, registry_of
from bootgrant.service.parts.audit_stream import audit_streams, stream_chores
from bootgrant.service.parts.chores import people_chores, site_chores
from bootgrant.service.parts.decisions import Decisions, build_decisions
from bootgrant.service.parts.machines import site_configurations, webhook_secret
from bootgrant.service.parts.minting import build_minting
from bootgrant.service.parts.people import api_plane, people_plane
from bootgrant.service.parts.push import push_chores, push_devices, push_waiting
from bootgrant.service.parts.short_way import ShortWay
from bootgrant.service.parts.status import SiteStatus, certificate_end
from bootgrant.service.settings.site import Site
from bootgrant.service.settings.tls import TlsMode
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.limits import LARGEST_BODY, REQUEST_BODY
from bootgrant.workflows.decide.push_waiting import PushWaiting
from bootgrant.workflows.decide.watch_requests import WatchRequests
from bootgrant.workflows.limits.admission import Admission, HeldPolls
from bootgrant.workflows.machine.deliver import DeliverConfig, FindEntry
from bootgrant.workflows.machine.deliver_outside import DeliverOutside
from bootgrant.workflows.machine.deliver_to_bearer import DeliverToBearer
from bootgrant.workflows.machine.keep_previews import KeepPreviews
from bootgrant.workflows.machine.mint import MintValues
from bootgrant.workflows.machine.requests import OpenGrant
from bootgrant.workflows.machine.tokens import MachineTokens, PollGrant
from bootgrant.workflows.machine.two_people import TwoPeople
from bootgrant.workflows.record.notify_waiting import NotifyWaiting
from bootgrant.workflows.record.recording import RecordTokenRefusals
from bootgrant.workflows.record.stream_audit import StreamAudit

_HOOK = "/hooks/git"


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
    push: PushWaiting | None
    watching: WatchRequests
    decisions: Decisions
    streams: Sequence[StreamAudit]
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
    sources: list[Callable[[], Health]] = []
    status = SiteStatus(site, database, source.current, chores, sources, clock)
    devices = push_devices(site, database, key, clock, entropy)
    plane = people_plane(site, database, decisions, source.current, key, clock, entropy, status, devices)
    api = api_plane(site, database, decisions, source, clock, entropy, status)
    notify = NotifyWaiting(database.grants, source, database.outbox, clock, entropy, site.operators_url, site.notify)
    push = push_waiting(devices, database, decisions, entropy, notify.counts) if devices else None
    verifier = Verifier(site.providers, clock)
    minting = build_minting(site, database, clock, entropy)
    store_check = StoreCheck(database.grants)
    streams = audit_streams(site, database, clock, entropy)
    for watching in (verifier.clients.values(), plane.oidc.providers.values(), streams):
        sources += [each.health for each in watching]
    previews = KeepPreviews(database.deliveries, source)
    chores += [store_check.chore, *site_chores(site, database, decisions, source.current, clock)]
    chores += [*people_chores(site, plane, notify), *push_chores(push), *stream_chores(streams), minting.chore]
    chores += [Chore("previews of deliveries", previews.step, previews.wait), *database.chores, *more_chores]
    rules = MachineRules(AllowedNetworks(site.networks.machines), site.clients, counts)
    polling = PollGrant(database.grants, clock, site.grants, held, decisions.codes_again)
    opening = _opening(site, database, source, decisions, admission, codes, entropy)
    asking = device_authorization(opening, site.operators_url, rules)
    busiest = {"/device/code": asking, "/token": token(polling, rules)}
    issued = MachineTokens(database.grants, clock, site.grants)
    parts = chores, decisions.codes_again, streams, partial(certificate_end, certificate_path(site))
    watched = Watched(database, counts, notify.counts, held, verifier.clients, clock, source.current, *parts)
    about = _about_the_server(site, source, store_check, held, chores, watched)
    endpoints: dict[str, App] = {
        **busiest,
        "/introspect": introspection(issued, api.tokens, site.public_url, rules),
        "/revoke": revocation(issued, api.tokens, decisions.decide, rules),
        **_counted(counts, about),
    }
    noted = notify.report_elsewhere, minting.values, decisions.token_refusals
    recorded = replace(_deliver(site, database, source, verifier, clock, *noted), recorded=previews.recorded)
    endpoints["/config"] = _without_body("/config", ConfigEndpoint(recorded, rules.networks, counts), counts)
    authority = _authority(site, counts)
    pages, commands = _people(api, plane, counts, entropy, authority)
    # `bootgrant health` asks here, because it knows neither the port nor the certificate.
    admin = Router({path: about[path] for path in ("/healthz", "/readyz")}, {}, commands)
    public, people, short_way = _listening(site, database, {**endpoints, **authority}, busiest, pages, counts)
    work = notify, push, plane.watching, decisions, streams, chores
    return Built(public, people, admin, short_way, held, admission, source, *work)


def _listening(
    site: Site,
    database: Database,
    endpoints: Mapping[str, App],
    busiest: Mapping[str, OAuthEndpoint],
    pages: App,
    counts: RequestCounts,
) -> tuple[App, App, ShortWay]:
    """Return what machines and people reach behind the proxies of the site, and the short way to the busiest of it."""
    proxies = TrustedProxies(AllowedNetworks(site.networks.trusted_proxies))
    is_sqlite = isinstance(database, SqliteDatabase)
    short_way = ShortWay({path.encode(): each for path, each in busiest.items()}, proxies, not is_sqlite, counts)
    public, people = (proxies.before(StrictRequests(app)) for app in (_public(site, endpoints, pages), pages))
    return public, people, short_way


def _opening(
    site: Site,
    database: Database,
    source: SiteConfigurations,
    decisions: Decisions,
    admission: Admission,
    codes: UserCodes,
    entropy: Entropy,
) -> OpenGrant:
    clock = decisions.decide.clock
    two_people = TwoPeople(source, database.assignments, clock)
    return OpenGrant(database.grants, clock, entropy, codes, site.grants, admission, two_people, decisions.arrived)


def _public(site: Site, endpoints: Mapping[str, App], pages: App) -> App:
    """Return what ``listen`` answers: machines, and people unless they have a listener of their own."""
    return Router(
        endpoints, {"/config/": endpoints["/config"]}, pages if site.operators.listen is None else _nothing_else
    )


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


def _authority(site: Site, counts: RequestCounts) -> Mapping[str, App]:
    """What clients have to trust, where the site has an authority of its own."""
    if site.tls.mode is not TlsMode.OWN:
        return {}
    return _counted(counts, {"/ca.pem": AuthorityFile(certificate_folder(site))})


def _people(
    api: ApiPlane, plane: OperatorPlane, counts: RequestCounts, entropy: Entropy, more: Mapping[str, App]
) -> tuple[App, App]:
    """The pages with the API and ``more`` next to them, and the API for the admin socket."""

    def request_id() -> str:
        return entropy.random_bytes(10).hex()

    public = Router(more, {"/api/": build_api(api, Listener.PUBLIC, ROUTES)}, build_pages(plane))
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
