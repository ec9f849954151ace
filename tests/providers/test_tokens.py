"""Which tokens of an outside provider are accepted, and what happens while the provider is unreachable."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import RSAKey

from bootgrant.approval.claims import OutsideRule
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal, Verified
from bootgrant.ports.status import Health
from bootgrant.providers.settings import Check, TokenProvider
from bootgrant.providers.tokens import Verifier
from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer
from support.certificates import Authority
from support.fakes import FakeClock
from support.signing_provider import AUDIENCE, SigningProvider, signing_provider

pytestmark = pytest.mark.anyio
RULES = (OutsideRule((("email", ("*@example.org",)),), (parse_selector("*"),)),)


@pytest.fixture
def provider() -> Iterator[SigningProvider]:
    with signing_provider(FakeClock()) as running:
        yield running


def jwt_settings(provider: SigningProvider, **changes: Any) -> TokenProvider:
    return replace(
        TokenProvider("corp", provider.issuer, Check.JWT, RULES, audiences=(AUDIENCE,), timeout=5.0), **changes
    )


def verifier(provider: SigningProvider, **changes: Any) -> Verifier:
    return Verifier([jwt_settings(provider, **changes)], provider.clock)


async def test_an_access_token_names_the_person_who_approved(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    outcome = await tokens.verify(provider.token())
    assert isinstance(outcome, Verified)
    assert (outcome.person.provider, outcome.person.subject, str(outcome.person)) == (
        "corp",
        "ana-1",
        "ana@example.org (corp)",
    )
    assert outcome.person.expires_at == provider.clock.now() + 300
    assert outcome.rules == RULES


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"aud": "another"}, TokenRefusal.AUDIENCE),
        ({"aud": None}, TokenRefusal.AUDIENCE),
        ({"aud": ["another", "third"]}, TokenRefusal.AUDIENCE),
        ({"exp": 1}, TokenRefusal.EXPIRED),
        ({"exp": None}, TokenRefusal.INVALID),
        ({"exp": "tomorrow"}, TokenRefusal.INVALID),
        ({"exp": 10**400}, TokenRefusal.INVALID),
        ({"exp": float("nan")}, TokenRefusal.INVALID),
        ({"nbf": float("inf")}, TokenRefusal.INVALID),
        ({"nbf": 4_000_000_000, "exp": 4_000_000_300}, TokenRefusal.EARLY),
        ({"sub": None}, TokenRefusal.INVALID),
        ({"sub": 7}, TokenRefusal.INVALID),
        ({"client_id": "another"}, TokenRefusal.CLIENT),
        ({"scope": "openid"}, TokenRefusal.SCOPE),
        ({"nonce": "of an ID token", "scope": None, "client_id": None}, TokenRefusal.INVALID),
        ({"iss": "https://elsewhere.example"}, TokenRefusal.UNKNOWN),
    ],
)
async def test_a_token_for_another_purpose_is_refused_with_its_reason(
    provider: SigningProvider, changes: dict[str, Any], refusal: TokenRefusal
) -> None:
    header = {"typ": "JWT"} if "nonce" in changes else {}
    tokens = verifier(provider, client_ids=("machines",), scopes=("machines",))
    assert await tokens.verify(provider.token(header, **changes)) is refusal


async def test_clocks_may_differ_by_the_leeway_but_no_more(provider: SigningProvider) -> None:
    now = int(provider.clock.now())
    tokens = verifier(provider, leeway=60.0)
    for changes, accepted in (({"exp": now - 50}, True), ({"exp": now - 70}, False), ({"nbf": now + 50}, True)):
        assert isinstance(await tokens.verify(provider.token(**changes)), Verified) is accepted
    assert await tokens.verify(provider.token(nbf=now + 70)) is TokenRefusal.EARLY


def encoded(members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def claims_of(token: Secret) -> str:
    return token.reveal().split(".")[1]


async def test_a_token_without_a_signature_is_refused(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    for algorithm in ("none", "None", "", None, 7):
        forged = f"{encoded({'alg': algorithm, 'kid': 'one'})}.{claims_of(provider.token())}."
        assert await tokens.verify(Secret(forged)) is TokenRefusal.INVALID


async def test_the_public_key_does_not_serve_as_a_shared_secret(provider: SigningProvider) -> None:
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one', 'typ': 'at+jwt'})}.{claims_of(provider.token())}"
    public = provider.key.as_pem(private=False)
    signature = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
    tokens = verifier(provider)
    assert await tokens.verify(Secret(f"{signed}.{signature}")) is TokenRefusal.INVALID


async def test_a_signature_by_another_key_of_the_same_name_is_refused(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    served, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "one"})
    forged, provider.key = provider.token(), served
    assert await tokens.verify(forged) is TokenRefusal.INVALID


async def test_a_key_inside_the_token_is_not_trusted(provider: SigningProvider) -> None:
    other = RSAKey.generate_key(2048, {"kid": "mine"})
    served, provider.key = provider.key, other
    forged = provider.token({"jwk": other.as_dict(private=False)})
    provider.key = served
    tokens = verifier(provider)
    assert await tokens.verify(forged) is TokenRefusal.INVALID


async def test_a_logout_token_is_not_accepted_as_an_id_token(provider: SigningProvider) -> None:
    """It is for the same client and names the same person, and some providers give it no type of its own."""
    events: dict[str, object] = {"http://schemas.openid.net/event/backchannel-logout": {}}
    token = provider.token({"typ": "JWT"}, aud="machines", scope=None, client_id=None, events=events)
    assert await verifier(provider, id_token=True, client_ids=("machines",)).verify(token) is TokenRefusal.INVALID


async def test_an_id_token_is_accepted_only_if_configured_and_for_our_client(provider: SigningProvider) -> None:
    id_token = provider.token({"typ": "JWT"}, aud="machines", nonce="n", scope=None, client_id=None)
    tokens = verifier(provider)
    assert await tokens.verify(id_token) is TokenRefusal.INVALID
    tokens = verifier(provider, id_token=True, client_ids=("machines",))
    assert isinstance(await tokens.verify(id_token), Verified)
    other = provider.token({"typ": "JWT"}, aud="their-app", nonce="n", scope=None, client_id=None)
    assert await tokens.verify(other) is TokenRefusal.CLIENT
    for claims, accepted in (
        ({"azp": "x"}, False),
        ({"azp": ["machines"]}, False),
        ({}, False),
        ({"azp": "machines"}, True),
    ):
        shared = {"aud": ["machines", "x"], "nonce": "n", "scope": None, "client_id": None} | claims
        outcome = await tokens.verify(provider.token({"typ": "JWT"}, **shared))
        assert isinstance(outcome, Verified) if accepted else outcome is TokenRefusal.CLIENT


async def test_an_unknown_key_is_fetched_once_for_all_tokens_that_name_it(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token())
    provider.rotate("two")
    provider.clock.advance(61)
    outcomes = await asyncio.gather(*(tokens.verify(provider.token()) for _ in range(20)))
    assert all(isinstance(outcome, Verified) for outcome in outcomes)
    assert provider.asked_for("/keys") == 2


async def test_invented_key_names_cause_one_fetch_a_minute(
    provider: SigningProvider,
) -> None:
    tokens = verifier(provider)
    for number in range(20):
        await tokens.verify(provider.token({"kid": f"invented-{number}"}))
    assert provider.asked_for("/keys") == 1


async def test_a_new_key_with_a_reused_name_is_fetched_when_the_old_one_does_not_match(
    provider: SigningProvider,
) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token())
    provider.rotate("one")
    provider.clock.advance(61)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    forger = RSAKey.generate_key(2048, {"kid": "one"})
    for _ in range(5):
        forged = jwt.encode({"alg": "RS256", "kid": "one"}, {"iss": provider.issuer}, forger)
        assert await tokens.verify(Secret(forged)) is TokenRefusal.INVALID
    assert provider.asked_for("/keys") == 2


async def test_a_token_that_names_no_key_is_tried_with_every_key(provider: SigningProvider) -> None:
    provider.older_keys = [RSAKey.generate_key(2048, {"kid": "older"}).as_dict(private=False)]
    nameless = without_kid(provider)
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(nameless), Verified)
    header, claims, _ = provider.token().reveal().split(".")
    assert await tokens.verify(Secret(f"{header}.{claims}.{nameless.reveal()[-342:]}")) is TokenRefusal.INVALID


def without_kid(provider: SigningProvider) -> Secret:
    """Sign a token by hand, because the library always writes the key's name into the header."""
    return signed_by_hand(provider, {})


def signed_by_hand(provider: SigningProvider, header: dict[str, Any]) -> Secret:
    """Sign a token with this header, including those that the library refuses to write."""
    assert isinstance(provider.key, RSAKey)
    assert provider.key.private_key is not None
    signed = f"{encoded({'alg': 'RS256', 'typ': 'at+jwt', **header})}.{claims_of(provider.token())}"
    raw = provider.key.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return Secret(f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}")


async def test_the_last_keys_are_used_for_a_limited_time_while_the_provider_is_down(provider: SigningProvider) -> None:
    tokens = verifier(provider, keys_kept=3600.0)
    await tokens.verify(provider.token())
    provider.down = True
    provider.clock.advance(3000)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    provider.clock.advance(700)
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(provider.token())
    provider.down = False
    provider.clock.advance(60)
    assert isinstance(await tokens.verify(provider.token()), Verified)


async def test_a_provider_that_fails_is_open_for_a_while(provider: SigningProvider) -> None:
    provider.down = True
    tokens = verifier(provider)
    for pause in (0, 0, 3, 0, 3, 0, 3, 3, 0):
        provider.clock.advance(pause)
        with pytest.raises(ProviderUnavailable):
            await tokens.verify(provider.token())
    corp = tokens.clients["corp"]
    assert (corp.counts.asked, corp.counts.failed, corp.is_open) == (3, 3, True)
    provider.down = False
    provider.clock.advance(11)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    assert not corp.is_open


async def test_the_health_of_a_provider_is_how_its_last_request_ended(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    corp = tokens.clients["corp"]
    assert corp.health() == Health("corp", None, "")
    provider.down = True
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(provider.token())
    assert corp.health().error != ""
    provider.down = False
    provider.clock.advance(60)
    await tokens.verify(provider.token())
    assert corp.health() == Health("corp", provider.clock.now(), "")


async def test_a_failure_is_not_repeated_at_once_for_the_next_token(provider: SigningProvider) -> None:
    provider.down = True
    tokens = verifier(provider)
    for pause, requests in ((0, 1), (1, 1), (1, 2)):
        provider.clock.advance(pause)
        with pytest.raises(ProviderUnavailable):
            await tokens.verify(provider.token())
        assert len(provider.server.asked) == requests


USERINFO = {"check": Check.USERINFO, "audiences": ()}


async def test_no_cookie_of_one_request_goes_with_the_next(provider: SigningProvider) -> None:
    provider.answers, provider.headers = {"sub": "ana"}, {"Set_Cookie": "session=ana; Path=/"}
    tokens = verifier(provider, **USERINFO)
    await tokens.verify(Secret("ana"))
    await tokens.verify(Secret("bob"))
    assert [asked for asked in provider.server.asked if "cookie" in asked.headers] == []


async def test_one_request_finds_out_whether_a_failed_provider_is_back(provider: SigningProvider) -> None:
    answered = threading.Event()
    tokens = verifier(provider, **USERINFO, userinfo_url=f"{provider.server.url}/userinfo")
    provider.down = True
    for pause in (0, 3, 3):
        provider.clock.advance(pause)
        with pytest.raises(ProviderUnavailable):
            await tokens.verify(Secret("opaque"))
    provider.down, provider.answers, provider.wait = False, {"sub": "ana"}, answered
    provider.clock.advance(11)
    before = len(provider.server.asked)
    first = asyncio.ensure_future(tokens.verify(Secret("first")))
    await asyncio.to_thread(provider.server.came, before + 1)
    for number in range(20):
        with pytest.raises(ProviderUnavailable):
            await tokens.verify(Secret(f"other-{number}"))
    answered.set()
    assert isinstance(await first, Verified)
    assert isinstance(await tokens.verify(Secret("later")), Verified)


async def test_requests_that_only_wait_in_the_queue_do_not_count_as_failures(
    provider: SigningProvider,
) -> None:
    provider.answers = {"sub": "ana"}
    tokens = verifier(provider, **USERINFO, timeout=0.5)
    await tokens.verify(Secret("warm"))
    provider.wait = threading.Event()
    tasks = [asyncio.ensure_future(tokens.verify(Secret(f"t{number}"))) for number in range(60)]
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    provider.wait.set()
    assert all(isinstance(outcome, ProviderUnavailable) for outcome in outcomes)
    assert tokens.clients["corp"].counts.failed <= 16


async def test_queued_requests_are_not_sent_once_the_provider_has_failed(provider: SigningProvider) -> None:
    provider.answer_status, provider.wait = 503, threading.Event()
    tokens = verifier(provider, **USERINFO, userinfo_url=f"{provider.server.url}/userinfo", timeout=20.0)
    tasks = [asyncio.ensure_future(tokens.verify(Secret(f"t{number}"))) for number in range(40)]
    await asyncio.to_thread(provider.server.came, 16)
    provider.wait.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, ProviderUnavailable) for outcome in outcomes)
    # The circuit opens at the third failure: two of those that waited may have been sent before.
    assert len(provider.server.asked) <= 18


async def test_a_name_that_no_resolver_accepts_is_an_unavailable_provider(provider: SigningProvider) -> None:
    provider.keys_url = "https://xn--/keys"
    tokens = verifier(provider)
    with pytest.raises(ProviderUnavailable, match=r"request to .* failed"):
        await tokens.verify(provider.token())


async def test_keys_are_kept_no_longer_than_configured(provider: SigningProvider) -> None:
    tokens = verifier(provider, keys_kept=30.0)
    await tokens.verify(provider.token())
    provider.down = True
    provider.clock.advance(31)
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(provider.token())


async def test_a_remote_provider_cannot_point_to_a_port_of_this_computer(
    provider: SigningProvider, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    provider.keys_url = f"{provider.server.url}/keys"
    with AnsweringServer(provider.answer, tls=authority.server("IP:127.0.0.1")) as elsewhere:
        provider.named = elsewhere.url
        tokens = verifier(provider, issuer=elsewhere.url, ca_file=authority.certificate)
        with pytest.raises(ProviderUnavailable, match="no https jwks_uri"):
            await tokens.verify(provider.token())
    assert provider.server.asked == []


async def test_a_token_that_names_no_key_waits_for_the_next_fetch_of_keys(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token())
    provider.rotate("two")
    provider.clock.advance(30)
    nameless = without_kid(provider)
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(nameless)
    provider.clock.advance(31)
    assert isinstance(await tokens.verify(nameless), Verified)


async def test_a_new_key_that_cannot_be_fetched_now_makes_the_machine_retry(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token())
    provider.rotate("two")
    provider.clock.advance(61)
    provider.down = True
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(provider.token())
    provider.down = False
    provider.clock.advance(3)
    assert isinstance(await tokens.verify(provider.token()), Verified)


async def test_an_invented_key_name_does_not_cause_refusals_of_a_new_key(provider: SigningProvider) -> None:
    tokens = verifier(provider)
    await tokens.verify(provider.token({"kid": "invented"}))
    provider.rotate("two")
    provider.clock.advance(30)
    with pytest.raises(ProviderUnavailable):
        await tokens.verify(provider.token())
    provider.clock.advance(31)
    assert isinstance(await tokens.verify(provider.token()), Verified)


async def test_a_remembered_introspection_ends_with_the_token(provider: SigningProvider) -> None:
    provider.answers = {"active": True, "sub": "ana", "client_id": "machines", "exp": provider.clock.now() + 5}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    tokens = verifier(provider, **how, leeway=0.0)
    assert isinstance(await tokens.verify(Secret("opaque")), Verified)
    provider.clock.advance(6)
    assert await tokens.verify(Secret("opaque")) is TokenRefusal.EXPIRED


@pytest.mark.parametrize("ends", [10**400, float("nan"), float("inf"), True, "5"])
async def test_an_expiry_that_is_not_a_time_counts_as_absent(provider: SigningProvider, ends: object) -> None:
    provider.answers = {"active": True, "sub": "ana", "client_id": "machines", "exp": ends}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    tokens = verifier(provider, **how)
    outcome = await tokens.verify(Secret("opaque"))
    assert isinstance(outcome, Verified)
    assert outcome.person.expires_at is None


@pytest.mark.parametrize("url", ["http://idp.example/keys", "https://[idp.example/keys", "https:///keys"])
async def test_keys_are_not_fetched_over_plain_http_from_another_host(provider: SigningProvider, url: str) -> None:
    provider.keys_url = url
    tokens = verifier(provider)
    with pytest.raises(ProviderUnavailable, match="no https jwks_uri"):
        await tokens.verify(provider.token())


async def test_metadata_is_found_where_rfc_8414_places_it_for_an_issuer_with_a_path(
    provider: SigningProvider,
) -> None:
    provider.path = "/tenant"
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    assert provider.asked_for("/.well-known/oauth-authorization-server/tenant") == 1


async def test_a_provider_at_an_ipv6_address_is_reached() -> None:
    with signing_provider(FakeClock(), "::1") as provider:
        assert isinstance(await verifier(provider).verify(provider.token()), Verified)


async def test_metadata_of_another_issuer_is_refused(provider: SigningProvider) -> None:
    tokens = verifier(provider, issuer=f"{provider.issuer}/")
    with pytest.raises(ProviderUnavailable, match="names another issuer"):
        await tokens.verify(provider.token(iss=f"{provider.issuer}/"))


async def test_introspection_authenticates_our_client_and_is_remembered(provider: SigningProvider) -> None:
    provider.answers = {
        "active": True,
        "sub": "ana-1",
        "client_id": "machines",
        "username": "ana",
        "exp": 4_000_000_000,
    }
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    tokens = verifier(provider, **how, client_secret=Secret("s3cret"))
    outcome = await tokens.verify(Secret("opaque"))
    assert isinstance(outcome, Verified)
    assert str(outcome.person) == "ana (corp)"
    request = provider.server.asked[-1]
    assert request.form["token"] == "opaque"
    assert request.headers["authorization"] == f"Basic {base64.b64encode(b'bootgrant:s3cret').decode()}"
    await tokens.verify(Secret("opaque"))
    assert provider.asked_for("/introspect") == 1


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        ({"active": False}, TokenRefusal.UNKNOWN),
        ({}, TokenRefusal.UNKNOWN),
        ({"active": "true", "sub": "ana"}, TokenRefusal.UNKNOWN),
        ({"active": True, "sub": "ana", "client_id": "another"}, TokenRefusal.CLIENT),
        ({"active": True, "sub": "ana"}, TokenRefusal.CLIENT),
        ({"active": True, "client_id": "machines"}, TokenRefusal.INVALID),
        ({"active": True, "sub": "ana", "client_id": "machines", "exp": 1}, TokenRefusal.EXPIRED),
        ({"active": True, "sub": "ana", "client_id": "machines", "iss": "https://other"}, TokenRefusal.INVALID),
    ],
)
async def test_introspection_can_refuse_a_token_for_each_reason(
    provider: SigningProvider, answer: dict[str, Any], refusal: TokenRefusal
) -> None:
    provider.answers = answer
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    tokens = verifier(provider, **how)
    assert await tokens.verify(Secret("opaque")) is refusal


async def test_a_provider_that_refuses_our_client_says_nothing_about_the_token(provider: SigningProvider) -> None:
    provider.answer_status, provider.answers = 401, {"error": "invalid_client"}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    tokens = verifier(provider, **how)
    with pytest.raises(ProviderUnavailable, match="client_secret_file"):
        await tokens.verify(Secret("opaque"))


async def test_userinfo_names_the_person_or_refuses_the_token(provider: SigningProvider) -> None:
    provider.answers = {"sub": "ana-1", "email": "ana@example.org"}
    tokens = verifier(provider, check=Check.USERINFO)
    outcome = await tokens.verify(Secret("opaque"))
    assert isinstance(outcome, Verified)
    assert provider.server.asked[-1].headers["authorization"] == "Bearer opaque"
    provider.answer_status, provider.answers = 401, {"error": "invalid_token"}
    assert await tokens.verify(Secret("another")) is TokenRefusal.UNKNOWN


@pytest.mark.parametrize("text", ["caf\xe9", "a\x01b", "a b", "", "a" * 20_000])
async def test_a_text_that_cannot_be_a_token_is_not_sent_to_a_provider(provider: SigningProvider, text: str) -> None:
    tokens = verifier(provider, check=Check.USERINFO, audiences=())
    assert await tokens.verify(Secret(text)) is TokenRefusal.UNKNOWN
    assert provider.server.asked == []


@pytest.mark.parametrize(
    ("header", "claims", "reason"),
    [
        ({}, {"exp": None}, "exp is missing"),
        ({"typ": "logout+jwt"}, {}, "typ 'logout+jwt' is not that of an access token"),
        ({"typ": "JWT"}, {"nonce": "n"}, "id_token is not set"),
        ({"typ": "JWT"}, {"scope": None, "client_id": None}, "id_token is not set"),
        ({"alg": "RS384"}, {}, "algorithm 'RS384' is not one of RS256"),
        ({}, {"sub": None}, "it has no sub"),
    ],
)
async def test_the_log_has_the_reason_that_the_console_has_no_room_for(
    provider: SigningProvider,
    caplog: pytest.LogCaptureFixture,
    header: dict[str, Any],
    claims: dict[str, Any],
    reason: str,
) -> None:
    caplog.set_level("INFO")
    tokens = verifier(provider, algorithms=("RS256",))
    assert await tokens.verify(provider.token(header, **claims)) is TokenRefusal.INVALID
    assert reason in caplog.text


async def test_a_token_is_shown_only_to_the_provider_that_issued_it(provider: SigningProvider) -> None:
    with signing_provider(provider.clock) as other:
        opaque = replace(jwt_settings(other), name="other", check=Check.USERINFO, audiences=())
        tokens = Verifier([jwt_settings(provider), opaque], provider.clock)
        assert isinstance(await tokens.verify(provider.token()), Verified)
        assert other.server.asked == []
        other.answers = {"sub": "bob"}
        outcome = await tokens.verify(Secret("opaque"))
        assert isinstance(outcome, Verified)
        assert outcome.person.provider == "other"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,9}")
    )
)
async def test_any_text_is_refused_without_a_fault(provider: SigningProvider, text: str) -> None:
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(Secret(text)), TokenRefusal)


def test_every_refusal_fits_the_console() -> None:
    for reason in (*(refusal.value for refusal in TokenRefusal), ProviderUnavailable.reason):
        assert reason.isascii()
        assert len(reason) <= 32


def test_the_repr_of_the_settings_shows_no_secret() -> None:
    settings = TokenProvider("corp", "https://x", Check.JWT, RULES, client_secret=Secret("swordfish"))
    assert "swordfish" not in repr(settings)
    assert hashlib.sha256(b"swordfish").hexdigest() not in repr(settings)


@pytest.mark.parametrize(
    ("critical", "reason"),
    [
        ([], "not a list of names"),
        ("b64", "not a list of names"),
        (None, "not a list of names"),
        ([7], "not a list of names"),
        (["b64"], "demands 'b64', which bootgrant does not know"),
        (["exp", "made-up"], "demands 'exp, made-up'"),
    ],
)
async def test_a_token_with_a_critical_extension_is_refused(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture, critical: object, reason: str
) -> None:
    caplog.set_level("INFO")
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(signed_by_hand(provider, {"kid": "one"})), Verified)
    asked = {"kid": "one", "crit": critical, "b64": True, "made-up": 1, "exp": 1}
    assert await tokens.verify(signed_by_hand(provider, asked)) is TokenRefusal.INVALID
    assert reason in caplog.text


def short_rsa_key(kid: str, bits: int = 1024) -> RSAKey:
    """Return a key that is too short. The library only warns about it."""
    private = generate_private_key(65537, bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.warns(SecurityWarning):
        return RSAKey.import_key(pem, {"kid": kid})


async def test_a_token_signed_with_a_short_rsa_key_is_refused_with_what_to_change(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    good, provider.key = provider.key, short_rsa_key("short", 2047)
    provider.older_keys = [good.as_dict(private=False)]
    named, nameless = signed_by_hand(provider, {"kid": "short"}), without_kid(provider)
    tokens = verifier(provider)
    assert await tokens.verify(named) is TokenRefusal.INVALID
    assert (
        "its key 'short' is not used: it is an RSA key of 2047 bits: the provider must sign with at least 2048"
        in caplog.text
    )
    assert await tokens.verify(nameless) is TokenRefusal.INVALID
    provider.key = good
    assert isinstance(await tokens.verify(provider.token()), Verified)


async def test_a_provider_that_only_has_short_rsa_keys_is_unavailable(provider: SigningProvider) -> None:
    provider.key = short_rsa_key("short")
    with pytest.raises(
        ProviderUnavailable, match=r"RSA key of 1024 bits: .* at least 2048; give the provider a signing key"
    ):
        await verifier(provider).verify(signed_by_hand(provider, {"kid": "short"}))
