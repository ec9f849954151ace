"""What people meet, put together from a site's settings: sessions, the ways to sign in, the pages' plane."""

from __future__ import annotations

from bootgrant.operator_plane.login.passwords import Argon2Hasher
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.ports.clock import Clock
from bootgrant.ports.database import Database
from bootgrant.ports.entropy import Entropy
from bootgrant.service.settings import Site
from bootgrant.workflows.decide_grant import DecideGrant
from bootgrant.workflows.sessions import Sessions
from bootgrant.workflows.sign_in import SignIn


def people_plane(site: Site, database: Database, decide: DecideGrant, clock: Clock, entropy: Entropy) -> OperatorPlane:
    """The plane of the pages."""
    sessions = Sessions(database.operators, clock, entropy)
    return OperatorPlane(
        decide=decide,
        sessions=sessions,
        sign_in=SignIn(database.operators, database.passkeys, sessions, Argon2Hasher(), entropy),
        clock=clock,
        public_url=site.operators_url,
        client_id=_public_client(site),
        machine_url=site.public_url,
    )


def _public_client(site: Site) -> str:
    """The client id for kernel lines: one without a secret, when there is one."""
    return min(site.clients.values(), key=lambda client: (client.secret is not None, client.client_id)).client_id
