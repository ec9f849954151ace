"""Operators and API tokens, for the API of a running server and for the commands that work without one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.operator_plane.api.accounts import ACCOUNT_ROUTES
from bootgrant.operator_plane.api.app import Listener, build_api
from bootgrant.operator_plane.api.call import AccountsPlane
from bootgrant.ports.time import Clock, Entropy
from bootgrant.service.parts.database import open_database
from bootgrant.service.settings.site import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.store.database import Database
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.manage_operators import ManageOperators


def accounts_plane(site: Site, database: Database, clock: Clock, entropy: Entropy) -> AccountsPlane:
    """Build what manages operators and tokens."""
    tokens = api_tokens(database, clock, entropy)
    return AccountsPlane(
        manage=ManageOperators(
            database.operators, database.passkeys, Argon2Hasher(), clock, entropy, tokens.windows, tokens
        ),
        tokens=tokens,
        audit=database.audit,
        clock=clock,
        public_url=site.operators_url,
    )


def api_tokens(database: Database, clock: Clock, entropy: Entropy) -> ApiTokens:
    """Build the workflow of API tokens."""
    windows = CloseWindows(database.windows, database.audit, clock)
    return ApiTokens(database.api_tokens, database.operators, clock, entropy, windows)


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
