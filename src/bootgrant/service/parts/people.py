"""Builds the pages and the API from a site's settings: sessions, the ways to sign in, the planes."""

from __future__ import annotations

from bootgrant.configurations.site_configurations import SiteConfigurations
from bootgrant.credentials.passkeys import WebAuthnCeremony
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.credentials.sealing import SessionSealing
from bootgrant.operator_plane.api.call import ApiPlane
from bootgrant.operator_plane.origin import has_passkeys
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.ports.configurations import WatchedSource
from bootgrant.ports.time import Clock, Entropy
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.service.parts.accounts import accounts_plane, api_tokens
from bootgrant.service.parts.decisions import Decisions
from bootgrant.service.settings.sections import Confirmation
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.workflows.decide.watch_requests import WaitingCards, WatchRequests
from bootgrant.workflows.people.oidc_sign_in import OidcSignIn
from bootgrant.workflows.people.passkeys import Passkeys
from bootgrant.workflows.people.sign_in import Sessions, SignIn


def people_plane(
    site: Site, database: Database, decisions: Decisions, source: WatchedSource, clock: Clock, entropy: Entropy
) -> OperatorPlane:
    """Build the plane of the pages."""
    sessions = Sessions(database.operators, clock, entropy, site.operators.sessions)
    ceremony = WebAuthnCeremony(site.operators_url) if has_passkeys(site.operators_url) else None
    passkeys = Passkeys(database.passkeys, database.challenges, ceremony, sessions) if ceremony else None
    tokens = api_tokens(database, clock, entropy)
    return OperatorPlane(
        decide=decisions.decide,
        assign=decisions.assign,
        configurations=source,
        audit=database.audit,
        oidc=OidcSignIn(
            {one.provider_id: OidcProvider(one, clock) for one in site.oidc},
            database.operators,
            database.challenges,
            sessions,
            site.operators_url,
            SessionSealing(),
            tokens.windows,
        ),
        sessions=sessions,
        sign_in=SignIn(
            database.operators, database.passkeys, sessions, Argon2Hasher(), entropy, site.operators.second_factor
        ),
        passkeys=passkeys,
        clock=clock,
        public_url=site.operators_url,
        client_id=_public_client(site),
        machine_url=site.public_url,
        watching=WatchRequests(database.grants, clock),
        waiting=WaitingCards(decisions.decide, clock),
        tokens=tokens,
        refusals=decisions.refusals,
        requires_suffix=site.operators.confirm is Confirmation.SUFFIX,
        settings=site.shown,
    )


def api_plane(
    site: Site, database: Database, decisions: Decisions, source: SiteConfigurations, clock: Clock, entropy: Entropy
) -> ApiPlane:
    """Build the plane of the API."""
    accounts = accounts_plane(site, database, clock, entropy)
    return ApiPlane(
        manage=accounts.manage,
        tokens=accounts.tokens,
        audit=accounts.audit,
        clock=accounts.clock,
        public_url=accounts.public_url,
        decide=decisions.decide,
        assign=decisions.assign,
        arm=decisions.arm,
        store=database.grants,
        source=source,
        settings=site.shown,
        configurations=source.current,
    )


def _public_client(site: Site) -> str:
    """Return the client id for kernel parameters: one without a secret, if there is one."""
    return min(site.clients.values(), key=lambda client: (client.secret is not None, client.client_id)).client_id
