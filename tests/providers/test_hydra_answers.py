"""Ory Hydra's introspection, as measured with 26.2 on 2026-11-29, and the settings of docs/providers/hydra.md for it.

The members are those of ``introspectOAuth2Token`` (oauth2/handler.go): the claims of the consent app are in ``ext``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bootgrant.ports.providers import TokenRefusal, Verified
from bootgrant.providers.tokens import Verifier
from bootgrant.service.settings.providers import parse_providers
from bootgrant.wire.secret import Secret
from support.fakes import FakeClock
from support.recipes import Recipe
from support.signing_provider import SigningProvider, signing_provider

pytestmark = pytest.mark.anyio
CLIENT = "b4bb8a2f-41c6-4d8c-94c2-1d5d0c9f6a31"


@pytest.fixture
def hydra() -> Iterator[SigningProvider]:
    with signing_provider(FakeClock()) as running:
        running.path = "/"
        yield running


def verifier(hydra: SigningProvider) -> Verifier:
    replaced = {
        "https://hydra.example.com/": hydra.issuer,
        "http://127.0.0.1:4445/admin/oauth2/introspect": f"{hydra.issuer}introspect",
        '"…"': f'"{CLIENT}"',
    }
    settings = Recipe("hydra", replaced).only("toml", "The client for machines")
    return Verifier(parse_providers(tomllib.loads(settings)["providers"], Path()), hydra.clock)


def introspection(hydra: SigningProvider, **changes: Any) -> dict[str, Any]:
    now = int(hydra.clock.now())
    return {
        "active": True,
        "aud": ["https://boot.example.org/"],
        "client_id": CLIENT,
        "exp": now + 14400,
        "ext": {"groups": ["platform"]},
        "iat": now,
        "iss": hydra.issuer,
        "nbf": now,
        "scope": "openid",
        "sub": "ana",
        "token_type": "Bearer",
        "token_use": "access_token",
    } | changes


@pytest.mark.parametrize(
    ("ext", "matches"),
    [({"groups": ["platform"]}, True), ({"groups": ["accounting"]}, False), ({}, False), (None, False)],
)
async def test_a_rule_on_ext_groups_decides(ext: object, matches: bool, hydra: SigningProvider) -> None:
    hydra.answers = introspection(hydra, ext=ext)
    outcome = await verifier(hydra).verify(Secret("ory_at_opaque"))
    assert isinstance(outcome, Verified)
    assert [rule.is_about(outcome.person) for rule in outcome.rules] == [matches]


async def test_a_group_that_is_not_in_ext_does_not_count(hydra: SigningProvider) -> None:
    hydra.answers = introspection(hydra, ext={}, groups=["platform"])
    outcome = await verifier(hydra).verify(Secret("ory_at_opaque"))
    assert isinstance(outcome, Verified)
    assert not outcome.rules[0].is_about(outcome.person)


async def test_a_token_of_another_client_is_refused(hydra: SigningProvider) -> None:
    hydra.answers = introspection(hydra, client_id="another")
    assert await verifier(hydra).verify(Secret("ory_at_opaque")) == TokenRefusal.CLIENT
