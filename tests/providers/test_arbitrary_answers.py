"""Whatever a provider answers, a sign-in and a check of a token end in an outcome or in ProviderUnavailable."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.responses import Response

from bootgrant.approval.claims import OutsideRule, RoleRule
from bootgrant.approval.operators import Role
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.providers import ProviderPerson, ProviderUnavailable, Request, TokenRefusal, Verified
from bootgrant.providers.settings import Check, SignInProvider, TokenProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.providers.tokens import Verifier
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider

pytestmark = pytest.mark.anyio
REQUEST = Request("https://boot.example/login/oidc/corp/callback", "s" * 43, "n" * 43, Secret("v" * 43))
ROLES = (RoleRule("groups", "fra", Role.APPROVER), RoleRule("realm_access.roles", "fra", Role.VIEWER))
OUTSIDE = (OutsideRule((("groups", ("fra",)), ("a.b", ("x",))), (parse_selector("*"),)),)
PATHS = ("/.well-known/openid-configuration", "/keys", "/token", "/me", "/introspect")
TEXTS = st.text(st.characters(exclude_categories=()), max_size=12) | st.sampled_from(
    ["fra", "https://x/\ud800", "a.b.c"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
MEMBERS = {
    "/.well-known/openid-configuration": (
        "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint",
        "introspection_endpoint", "token_endpoint_auth_methods_supported",
    ),
    "/keys": ("keys",),
    "/token": ("id_token", "access_token", "token_type", "scope", "error", "error_description"),
    "/me": ("sub", "groups", "realm_access", "_claim_names", "_claim_sources", "iss", "aud"),
    "/introspect": ("active", "sub", "iss", "aud", "exp", "nbf", "client_id", "scope", "ext", "groups", "a", "email"),
}  # fmt: skip
CLAIMS = (
    "iss", "aud", "sub", "iat", "exp", "nbf", "nonce", "azp", "sid", "auth_time", "groups", "realm_access",
    "_claim_names", "_claim_sources", "hasgroups",
)  # fmt: skip
STATUSES = st.sampled_from([200, 200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 418, 429, 500])


@pytest.fixture(scope="module")
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        provider.nonce = REQUEST.nonce
        yield provider


@st.composite
def answers(draw: st.DrawFn) -> tuple[str, int, Callable[[dict[str, Any]], bytes]]:
    """One answer: the right one with some members replaced, any JSON, or any bytes."""
    path, status = draw(st.sampled_from(PATHS)), draw(STATUSES)
    kind = draw(st.sampled_from(["members", "members", "json", "bytes"]))
    if kind == "bytes":
        body = draw(st.binary(max_size=60))
        return path, status, lambda _: body
    if kind == "json":
        value = draw(JSON)
        return path, status, lambda _: json.dumps(value).encode()
    odd = draw(st.dictionaries(st.sampled_from(MEMBERS[path]), JSON, min_size=1, max_size=3))
    return path, status, lambda right: json.dumps({**right, **odd}).encode()


def right_answers(crooked: CrookedProvider) -> dict[str, dict[str, Any]]:
    described = {name: f"{crooked.issuer}/{path}" for name, path in (("token_endpoint", "token"), ("jwks_uri", "keys"))}
    return {
        PATHS[0]: {"issuer": crooked.issuer, "userinfo_endpoint": f"{crooked.issuer}/me", **described},
        "/keys": {"keys": [crooked.key.as_dict(private=False)]},
        "/token": {"id_token": crooked.id_token(), "access_token": "at"},
        "/me": {"sub": "8f1"},
        "/introspect": {"active": True, "sub": "8f1", "client_id": "machines"},
    }


async def outcome_of(asked: Awaitable[object]) -> object:
    try:
        return await asked
    except ProviderUnavailable as error:
        assert str(error).isprintable()  # noqa: PT017  (any other error is a failure of the test)
        return error


async def sign_in(crooked: CrookedProvider) -> None:
    settings = SignInProvider("corp", "Corp", crooked.issuer, "pages", Secret("s" * 20), ("openid", "groups"), ROLES)
    provider = OidcProvider(settings, crooked.clock)
    await outcome_of(provider.ask(REQUEST))
    await outcome_of(provider.sign_out_url(None, "https://boot.example/login"))
    found = await outcome_of(provider.person(REQUEST, "the code", ""))
    if isinstance(found, ProviderUnavailable):
        return
    assert isinstance(found, ProviderPerson)
    assert found.subject.isprintable()
    assert found.session_id.isprintable()
    assert all(why.isprintable() and why for why in found.left_out.values())


async def check_tokens(crooked: CrookedProvider) -> None:
    base = TokenProvider("corp", crooked.issuer, Check.USERINFO, OUTSIDE, client_ids=("machines", "pages"))
    introspection_url = f"{crooked.issuer}/introspect"
    for check in (
        base,
        replace(base, check=Check.INTROSPECTION, introspection_url=introspection_url, client_id="bootgrant"),
        replace(base, check=Check.JWT, id_token=True),
    ):
        token = crooked.id_token() if check.check is Check.JWT else "opaque"
        outcome = await outcome_of(Verifier([check], crooked.clock).verify(Secret(token)))
        assert isinstance(outcome, (Verified, TokenRefusal, ProviderUnavailable))


@settings(suppress_health_check=list(HealthCheck), max_examples=25, deadline=None)
@given(answer=answers())
async def test_any_answer_ends_in_an_outcome(
    crooked: CrookedProvider, caplog: pytest.LogCaptureFixture, answer: tuple[str, int, Callable[[Any], bytes]]
) -> None:
    path, status, body = answer
    crooked.claims, crooked.requests, crooked.forms, crooked.authorizations = {}, [], [], []
    crooked.instead = {path: Response(body(right_answers(crooked)[path]), status, media_type="application/json")}
    if path != "/introspect":
        await sign_in(crooked)
    await check_tokens(crooked)
    assert all(record.getMessage().isprintable() for record in caplog.records if record.name == "bootgrant.providers")


@settings(suppress_health_check=list(HealthCheck), max_examples=25, deadline=None)
@given(claims=st.dictionaries(st.sampled_from(CLAIMS), JSON, min_size=1, max_size=3))
async def test_any_signed_claims_end_in_an_outcome(crooked: CrookedProvider, claims: dict[str, Any]) -> None:
    crooked.claims, crooked.instead, crooked.requests, crooked.forms, crooked.authorizations = claims, {}, [], [], []
    await sign_in(crooked)
    await check_tokens(crooked)
