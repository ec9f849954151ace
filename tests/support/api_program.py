"""A program that calls the API with a token of its own."""

from __future__ import annotations

import httpx2

from bootgrant.approval.operators import Role, parse_labels, socket_actor
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken
from support.fakes import CountedEntropy
from support.office import Office

_ENTROPY = CountedEntropy()


async def program(office: Office, role: Role = Role.ADMIN, *labels: str, seconds: float = 3600) -> httpx2.AsyncClient:
    """Return a client at 10.0.0.5 with a token of this role."""
    site = office.site
    windows = CloseWindows(site.database.windows, site.clock)
    votes = VoteFilter(site.database.operators, site.database.api_tokens)
    lost = LostRights(windows, VoidApprovals(site.database.grants, votes, site.clock))
    tokens = ApiTokens(site.database.api_tokens, site.database.operators, site.clock, _ENTROPY, lost)
    name = f"ci-{_ENTROPY.random_bytes(4).hex()}"
    made = await tokens.create(name, role, parse_labels(labels), seconds, socket_actor("root"))
    assert isinstance(made, NewToken)
    client = site.client("10.0.0.5")
    client.headers["authorization"] = f"Bearer {made.secret.reveal()}"
    return client
