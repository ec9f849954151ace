"""Refresh tokens: what a provider's answer means for the session of a person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from bootgrant.ports.providers import Cause, Ended, ProviderUnavailable, ProviderWrong, Renewed, Request
from bootgrant.providers.settings import SignInProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider

pytestmark = pytest.mark.anyio
OLD = Secret("old token")


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        yield provider


def client_of(crooked: CrookedProvider) -> OidcProvider:
    settings = SignInProvider("corp", "Corp", crooked.issuer, "pages", Secret("s"), ("openid",), (), 60.0)
    return OidcProvider(settings, crooked.clock)


def refuse(crooked: CrookedProvider, error: str, description: str | None = None, status: int = 400) -> None:
    described = {"error_description": description} if description is not None else {}
    crooked.token_status, crooked.token_answer = status, json.dumps({"error": error, **described}).encode()


async def test_a_sign_in_brings_the_refresh_token(crooked: CrookedProvider) -> None:
    crooked.nonce, crooked.more_tokens = "n", {"refresh_token": "r", "refresh_expires_in": 1800}
    crooked.claims = {"sid": "sid-1"}
    request = Request("https://boot.example/cb", "s", "n", Secret("v" * 43))
    person = await client_of(crooked).person(request, "code", "")
    assert (person.session_id, person.renewal) == ("sid-1", Renewed(Secret("r"), crooked.clock.now() + 1800))
    crooked.more_tokens = {}
    assert (await client_of(crooked).person(request, "code", "")).renewal is None


@pytest.mark.parametrize(
    ("more", "token", "lifetime"),
    [
        ({"refresh_token": "new", "refresh_expires_in": 1800}, "new", 1800.0),
        ({"refresh_token": "new"}, "new", None),
        ({"refresh_token": "new", "refresh_expires_in": 0}, "new", None),
        ({"refresh_token": "new", "refresh_expires_in": "soon"}, "new", None),
        ({}, "old token", None),
        ({"refresh_token": None, "refresh_expires_in": 60}, "old token", 60.0),
        ({"refresh_token": ""}, "old token", None),
    ],
)
async def test_a_session_that_goes_on_has_a_token_to_use_next(
    crooked: CrookedProvider, more: dict[str, Any], token: str, lifetime: float | None
) -> None:
    crooked.more_tokens = more
    expires_at = None if lifetime is None else crooked.clock.now() + lifetime
    assert await client_of(crooked).renew(OLD) == Renewed(Secret(token), expires_at)
    assert crooked.forms == [{"grant_type": "refresh_token", "refresh_token": "old token"}]
    assert crooked.authorizations[0].startswith("Basic ")


@pytest.mark.parametrize(
    ("description", "cause"),
    [
        ("User disabled", Cause.LEFT),
        ("AADSTS50057: The user account is disabled. Trace ID: 7f", Cause.LEFT),
        ("AADSTS500341: The user account 6f1c has been deleted from the 98da directory.", Cause.LEFT),
        ("AADSTS50034: The user account 6f1c does not exist in the 98da directory.", Cause.LEFT),
        ("AADSTS51004: The user account 6f1c does not exist in the 98da directory.", Cause.LEFT),
        ("Session not active", Cause.ENDED),
        ("Token is not active", Cause.UNCLEAR),
        ("Maximum allowed refresh token reuse exceeded", Cause.UNCLEAR),
        ("AADSTS700082: The refresh token has expired due to inactivity.", Cause.UNCLEAR),
        ("AADSTS50173: The provided grant has expired due to it being revoked.", Cause.UNCLEAR),
        ("AADSTS135011: Device used during the authentication is disabled.", Cause.UNCLEAR),
        ('the account "User disabled" has no session', Cause.UNCLEAR),
        ("", Cause.UNCLEAR),
        (None, Cause.UNCLEAR),
    ],
)
async def test_the_description_says_why_a_session_ended(
    crooked: CrookedProvider, description: str | None, cause: Cause
) -> None:
    refuse(crooked, "invalid_grant", description)
    outcome = await client_of(crooked).renew(OLD)
    assert isinstance(outcome, Ended)
    assert (outcome.cause, outcome.reason) == (cause, (description or "invalid_grant").replace("'", "\\'"))


async def test_a_description_cannot_forge_a_log_line(crooked: CrookedProvider) -> None:
    refuse(crooked, "invalid_grant", "one\ntwo\x1b[31m" + "x" * 500)
    outcome = await client_of(crooked).renew(OLD)
    assert isinstance(outcome, Ended)
    assert outcome.reason.startswith("one\\ntwo\\x1b[31mxxx")
    assert len(outcome.reason) < 300


@pytest.mark.parametrize(
    "error", ["unauthorized_client", "invalid_client", "unsupported_grant_type", "", "server_error"]
)
async def test_an_error_that_does_not_concern_the_session_ends_nothing(crooked: CrookedProvider, error: str) -> None:
    refuse(crooked, error, "Client not allowed", 401)
    with pytest.raises(ProviderWrong, match="check_every"):
        await client_of(crooked).renew(OLD)


async def test_a_provider_that_is_down_has_not_ended_a_session(crooked: CrookedProvider) -> None:
    crooked.is_down = True
    with pytest.raises(ProviderUnavailable):
        await client_of(crooked).renew(OLD)


@pytest.mark.parametrize("error", ["invalid_grant", "invalid_client"])
async def test_a_refresh_token_that_the_provider_repeats_is_hidden(crooked: CrookedProvider, error: str) -> None:
    refuse(crooked, error, "no such token: refresh-token-of-ana")
    token = Secret("refresh-token-of-ana")
    try:
        words = str(await client_of(crooked).renew(token))
    except ProviderWrong as wrong:
        words = str(wrong)
    assert "no such token" in words
    assert token.reveal() not in words
