"""The pages and the API, built from a site's settings, and the accounts API for commands without a server."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

import httpx2

from bootgrant.approval.devices import DeviceProofs
from bootgrant.approval.login_codes import LoginCodes
from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.credentials.passkeys import WebAuthnCeremony
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.credentials.sealing import ID_TOKEN, RENEWAL, SecretSealing
from bootgrant.operator_plane.api.accounts import ACCOUNT_ROUTES
from bootgrant.operator_plane.api.app import Listener, build_api
from bootgrant.operator_plane.api.call import AccountsPlane, ApiPlane
from bootgrant.operator_plane.frame import Look
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.operator_plane.shown_provider import ShownProvider
from bootgrant.ports.configurations import ConfigSource, WatchedSource
from bootgrant.ports.status import StatusReport
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.service.parts.database import open_database
from bootgrant.service.parts.decisions import Decisions
from bootgrant.service.settings.sections import Confirmation
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.store.database import Database
from bootgrant.wire.origin import has_passkeys
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.accept_revision import AcceptRevision
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.machines import Machines
from bootgrant.workflows.decide.reveal import RevealConfiguration
from bootgrant.workflows.decide.watch_requests import WaitingCards, WatchRequests
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.command_line import CommandLineLogins
from bootgrant.workflows.people.known_places import KnownPlaces
from bootgrant.workflows.people.manage_operators import ManageOperators
from bootgrant.workflows.people.oidc_logout import OidcLogout
from bootgrant.workflows.people.oidc_sign_in import OidcSignIn
from bootgrant.workflows.people.passkeys import Passkeys
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.people.push_devices import PushDevices
from bootgrant.workflows.people.sign_in import Sessions, SignIn
from bootgrant.workflows.people.undo import UndoWork


def people_plane(
    site: Site,
    database: Database,
    decisions: Decisions,
    source: WatchedSource,
    key: bytes,
    clock: Clock,
    entropy: Entropy,
    status: StatusReport,
    push: PushDevices | None,
) -> OperatorPlane:
    """Build the plane of the pages. ``key`` is the code key, which all servers of a site share."""
    sessions = Sessions(database.operators, clock, entropy, site.operators.sessions)
    ceremony = WebAuthnCeremony(site.operators_url) if has_passkeys(site.operators_url) else None
    passkeys = Passkeys(database.passkeys, database.challenges, ceremony, sessions) if ceremony else None
    tokens = api_tokens(database, clock, entropy, decisions.decide.source)
    oidc, logout = provider_work(site, database, sessions, tokens.lost, key)
    return OperatorPlane(
        decide=decisions.decide,
        assign=decisions.assign,
        arm=decisions.arm,
        undo=undo_work(database, decisions, sessions, tokens),
        configurations=source,
        audit=database.audit,
        oidc=oidc,
        logout=logout,
        presence=oidc.presence,
        sessions=sessions,
        sign_in=SignIn(
            database.operators,
            database.passkeys,
            sessions,
            Argon2Hasher(),
            entropy,
            KnownPlaces(device_proofs(key), database.operators, database.audit, clock, entropy),
            site.operators.second_factor,
        ),
        passkeys=passkeys,
        clock=clock,
        public_url=site.operators_url,
        client_id=_public_client(site),
        machine_url=site.public_url,
        watching=WatchRequests(database.grants, database.windows, clock),
        waiting=WaitingCards(decisions.decide.cards, clock),
        tokens=tokens,
        logins=CommandLineLogins(database.logins, tokens, LoginCodes(key), clock, entropy),
        refusals=decisions.refusals,
        codes_again=decisions.codes_again,
        reveal=RevealConfiguration(decisions.decide.source, database.audit, clock),
        status=status,
        look=_look(site),
        manage=manage_operators(database, tokens),
        machines=Machines(decisions.assign, database.deliveries),
        push=push,
        requires_suffix=site.operators.confirm is Confirmation.SUFFIX,
        settings=site.shown,
        rules=site.approval_rules(),
        token_providers=_token_providers(site),
    )


def _look(site: Site) -> Look:
    if not site.plain_http:
        return Look(site.name, site.site.colour)
    return Look(site.name, site.site.colour, "people" if site.operators_url in site.plain_http else "machines")


def _token_providers(site: Site) -> tuple[ShownProvider, ...]:
    return tuple(ShownProvider(one.name, one.issuer, one.check.value, one.rules) for one in site.providers)


def provider_work(
    site: Site, database: Database, sessions: Sessions, lost: LostRights, key: bytes
) -> tuple[OidcSignIn, OidcLogout]:
    """Build the sign-in at the providers of ``[[oidc]]``, with its checks, and what ends sessions for them."""
    operators, clock = database.operators, sessions.clock
    providers = {one.provider_id: OidcProvider(one, clock) for one in site.oidc}
    renewals = SecretSealing(RENEWAL), Secret(key.hex())
    presence = CheckPresence(providers, operators, database.session_checks, *renewals, lost, clock)
    sealing = SecretSealing(ID_TOKEN)
    return (
        OidcSignIn(providers, operators, database.challenges, sessions, site.operators_url, sealing, lost, presence),
        OidcLogout(providers, operators, database.sign_outs, sessions, lost),
    )


def device_proofs(code_key: bytes) -> DeviceProofs:
    """Return the proofs of known browsers, whose key follows from the key that all servers of a site share."""
    return DeviceProofs(hmac.digest(code_key, b"bootgrant known devices", "sha256"))


def api_plane(
    site: Site,
    database: Database,
    decisions: Decisions,
    source: SiteConfigurations,
    clock: Clock,
    entropy: Entropy,
    status: StatusReport,
) -> ApiPlane:
    """Build the plane of the API."""
    accounts = accounts_plane(site, database, clock, entropy, source)
    return ApiPlane(
        manage=accounts.manage,
        tokens=accounts.tokens,
        audit=accounts.audit,
        clock=accounts.clock,
        public_url=accounts.public_url,
        decide=decisions.decide,
        assign=decisions.assign,
        arm=decisions.arm,
        undo=undo_work(
            database, decisions, Sessions(database.operators, clock, entropy, site.operators.sessions), accounts.tokens
        ),
        store=database.grants,
        source=source,
        settings=site.shown,
        configurations=source.current,
        accept=AcceptRevision(source.current, database.audit, clock),
        codes_again=decisions.codes_again,
        reveal=RevealConfiguration(source, database.audit, clock),
        status=status,
        machines=Machines(decisions.assign, database.deliveries),
    )


def undo_work(database: Database, decisions: Decisions, sessions: Sessions, tokens: ApiTokens) -> UndoWork:
    """Build what undoes one person's approvals."""
    return UndoWork(
        database.grants, database.audit, database.operators, sessions, tokens, decisions.arm, sessions.clock
    )


def _public_client(site: Site) -> str:
    """Return the client id for kernel parameters: one without a secret, if there is one."""
    return min(site.clients.values(), key=lambda client: (client.secret is not None, client.client_id)).client_id


def accounts_plane(
    site: Site, database: Database, clock: Clock, entropy: Entropy, source: ConfigSource | None = None
) -> AccountsPlane:
    """Build what manages operators and tokens. ``source`` is None while no server reads the configurations."""
    tokens = api_tokens(database, clock, entropy, source)
    return AccountsPlane(
        manage=manage_operators(database, tokens),
        tokens=tokens,
        audit=database.audit,
        clock=clock,
        public_url=site.operators_url,
    )


def manage_operators(database: Database, tokens: ApiTokens) -> ManageOperators:
    """Build the workflow that manages operators."""
    return ManageOperators(
        database.operators,
        database.passkeys,
        Argon2Hasher(),
        tokens.clock,
        tokens.entropy,
        tokens.lost,
        tokens,
        database.push_devices,
    )


def api_tokens(database: Database, clock: Clock, entropy: Entropy, source: ConfigSource | None) -> ApiTokens:
    """Build the workflow of API tokens."""
    windows = CloseWindows(database.windows, clock)
    lost = LostRights(
        windows, VoidApprovals(database.grants, VoteFilter(database.operators, database.api_tokens), clock, source)
    )
    return ApiTokens(database.api_tokens, database.operators, clock, entropy, lost)


async def ask_database(
    site: Site, method: str, path: str, members: Mapping[str, Any] | None, headers: Mapping[str, str]
) -> httpx2.Response:
    """Answer a request about operators and tokens as the admin socket's API would, while no server is running.

    Raise SettingsError or StoreUnavailable.
    """
    async with open_database(site, SystemClock().now()) as database:
        plane = accounts_plane(site, database, SystemClock(), SystemEntropy())
        transport = httpx2.ASGITransport(build_api(plane, Listener.ADMIN_SOCKET, ACCOUNT_ROUTES))
        async with httpx2.AsyncClient(transport=transport, base_url="http://admin", headers=headers) as client:
            return await client.request(method, path, json=dict(members) if members is not None else None)
