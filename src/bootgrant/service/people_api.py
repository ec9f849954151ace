"""Operators and tokens for the commands of this computer: served on the admin socket, or in the command itself."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from starlette.types import ASGIApp

from bootgrant.operator_plane.api.people import build_people_api
from bootgrant.operator_plane.login.passwords import Argon2Hasher
from bootgrant.ports.clock import Clock
from bootgrant.ports.database import Database
from bootgrant.ports.entropy import Entropy
from bootgrant.service.database import open_database
from bootgrant.service.settings import Site
from bootgrant.service.system import SystemClock, SystemEntropy
from bootgrant.workflows.api_tokens import ApiTokens
from bootgrant.workflows.close_windows import CloseWindows
from bootgrant.workflows.manage_operators import ManageOperators


def people_api(database: Database, clock: Clock, entropy: Entropy) -> ASGIApp:
    """Operators and tokens, for the commands of this computer."""
    windows = CloseWindows(database.windows, database.api_tokens, database.audit, clock)
    tokens = ApiTokens(database.api_tokens, database.operators, clock, entropy, windows)
    manage = ManageOperators(database.operators, database.passkeys, Argon2Hasher(), clock, entropy, windows, tokens)
    return build_people_api(manage, tokens, database.audit)


async def ask_database(site: Site, method: str, path: str, members: Mapping[str, str] | None) -> httpx.Response:
    """The answer of ``people_api`` while no server has the database. Raises SettingsError and StoreUnavailable."""
    async with open_database(site, SystemClock().now()) as database:
        app = people_api(database, SystemClock(), SystemEntropy())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://people") as client:
            return await client.request(method, path, json=dict(members) if members is not None else None)
