"""Which tokens of an outside provider are good, and what happens when the provider is not there."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import RSAKey

from bootgrant.approval.claims import OutsideRule
from bootgrant.approval.policy import parse_selector
from bootgrant.ports.providers import ProviderUnavailable, TokenRefusal, Verified
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


@asynccontextmanager
async def verifier(provider: SigningProvider, **changes: Any) -> AsyncIterator[Verifier]:
    yield Verifier([jwt_settings(provider, **changes)], provider.clock)


async def test_a_good_access_token_says_who_approved(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        word = await verify.verify(provider.token())
    assert isinstance(word, Verified)
    assert (word.person.provider, word.person.subject, str(word.person)) == ("corp", "ana-1", "ana@example.org (corp)")
    assert word.person.expires_at == provider.clock.now() + 300
    assert word.rules == RULES


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
        ({"nonce": "an id token's", "scope": None, "client_id": None}, TokenRefusal.INVALID),
        ({"iss": "https://elsewhere.example"}, TokenRefusal.UNKNOWN),
    ],
)
async def test_a_token_for_something_else_is_refused_with_its_reason(
    provider: SigningProvider, changes: dict[str, Any], refusal: TokenRefusal
) -> None:
    header = {"typ": "JWT"} if "nonce" in changes else {}
    async with verifier(provider, client_ids=("machines",), scopes=("machines",)) as verify:
        assert await verify.verify(provider.token(header, **changes)) is refusal


async def test_clocks_may_differ_by_the_leeway_and_no_more(provider: SigningProvider) -> None:
    now = int(provider.clock.now())
    async with verifier(provider, leeway=60.0) as verify:
        for changes, good in (({"exp": now - 50}, True), ({"exp": now - 70}, False), ({"nbf": now + 50}, True)):
            assert isinstance(await verify.verify(provider.token(**changes)), Verified) is good
        assert await verify.verify(provider.token(nbf=now + 70)) is TokenRefusal.EARLY


def encoded(members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def claims_of(token: Secret) -> str:
    return token.reveal().split(".")[1]


async def test_a_token_without_a_signature_is_refused(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        for algorithm in ("none", "None", "", None, 7):
            forged = f"{encoded({'alg': algorithm, 'kid': 'one'})}.{claims_of(provider.token())}."
            assert await verify.verify(Secret(forged)) is TokenRefusal.INVALID


async def test_the_public_key_as_a_shared_secret_signs_nothing(provider: SigningProvider) -> None:
    signed = f"{encoded({'alg': 'HS256', 'kid': 'one', 'typ': 'at+jwt'})}.{claims_of(provider.token())}"
    public = provider.key.as_pem(private=False)
    made = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), "sha256")).rstrip(b"=").decode()
    async with verifier(provider) as verify:
        assert await verify.verify(Secret(f"{signed}.{made}")) is TokenRefusal.INVALID


async def test_a_signature_by_another_key_of_the_same_name_is_refused(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        assert isinstance(await verify.verify(provider.token()), Verified)
        served, provider.key = provider.key, RSAKey.generate_key(2048, {"kid": "one"})
        forged, provider.key = provider.token(), served
        assert await verify.verify(forged) is TokenRefusal.INVALID


async def test_a_key_in_the_token_itself_is_not_believed(provider: SigningProvider) -> None:
    other = RSAKey.generate_key(2048, {"kid": "mine"})
    served, provider.key = provider.key, other
    forged = provider.token({"jwk": other.as_dict(private=False)})
    provider.key = served
    async with verifier(provider) as verify:
        assert await verify.verify(forged) is TokenRefusal.INVALID


async def test_an_id_token_is_good_only_where_that_is_configured_and_for_our_client(provider: SigningProvider) -> None:
    id_token = provider.token({"typ": "JWT"}, aud="machines", nonce="n", scope=None, client_id=None)
    async with verifier(provider) as verify:
        assert await verify.verify(id_token) is TokenRefusal.INVALID
    async with verifier(provider, id_token=True, client_ids=("machines",)) as verify:
        assert isinstance(await verify.verify(id_token), Verified)
        other = provider.token({"typ": "JWT"}, aud="their-app", nonce="n", scope=None, client_id=None)
        assert await verify.verify(other) is TokenRefusal.CLIENT
        for claims, good in (({"azp": "x"}, False), ({}, False), ({"azp": "machines"}, True)):
            shared = {"aud": ["machines", "x"], "nonce": "n", "scope": None, "client_id": None} | claims
            word = await verify.verify(provider.token({"typ": "JWT"}, **shared))
            assert isinstance(word, Verified) if good else word is TokenRefusal.CLIENT


async def test_a_new_key_is_fetched_once_when_a_token_names_it(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        await verify.verify(provider.token())
        provider.rotate("two")
        provider.clock.advance(61)
        words = await asyncio.gather(*(verify.verify(provider.token()) for _ in range(20)))
        assert all(isinstance(word, Verified) for word in words)
        assert provider.asked_for("/keys") == 2


async def test_tokens_that_name_invented_keys_make_nobody_fetch_more_than_once_a_minute(
    provider: SigningProvider,
) -> None:
    async with verifier(provider) as verify:
        for number in range(20):
            await verify.verify(provider.token({"kid": f"invented-{number}"}))
        assert provider.asked_for("/keys") == 1


async def test_a_new_key_of_an_old_name_is_fetched_when_the_one_we_have_does_not_fit(
    provider: SigningProvider,
) -> None:
    async with verifier(provider) as verify:
        await verify.verify(provider.token())
        provider.rotate("one")
        provider.clock.advance(61)
        assert isinstance(await verify.verify(provider.token()), Verified)
        forger = RSAKey.generate_key(2048, {"kid": "one"})
        for _ in range(5):
            forged = jwt.encode({"alg": "RS256", "kid": "one"}, {"iss": provider.issuer}, forger)
            assert await verify.verify(Secret(forged)) is TokenRefusal.INVALID
        assert provider.asked_for("/keys") == 2


async def test_a_token_that_names_no_key_is_tried_with_each(provider: SigningProvider) -> None:
    provider.older_keys = [RSAKey.generate_key(2048, {"kid": "older"}).as_dict(private=False)]
    good = without_kid(provider)
    async with verifier(provider) as verify:
        assert isinstance(await verify.verify(good), Verified)
        header, claims, _ = provider.token().reveal().split(".")
        assert await verify.verify(Secret(f"{header}.{claims}.{good.reveal()[-342:]}")) is TokenRefusal.INVALID


def without_kid(provider: SigningProvider) -> Secret:
    """Signed by hand, because the library writes a key's name into the header."""
    assert isinstance(provider.key, RSAKey)
    assert provider.key.private_key is not None
    signed = f"{encoded({'alg': 'RS256', 'typ': 'at+jwt'})}.{claims_of(provider.token())}"
    raw = provider.key.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    return Secret(f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}")


async def test_while_the_provider_is_down_its_last_keys_serve_for_a_bounded_time(provider: SigningProvider) -> None:
    async with verifier(provider, keys_kept=3600.0) as verify:
        await verify.verify(provider.token())
        provider.down = True
        provider.clock.advance(3000)
        assert isinstance(await verify.verify(provider.token()), Verified)
        provider.clock.advance(700)
        with pytest.raises(ProviderUnavailable):
            await verify.verify(provider.token())
        provider.down = False
        provider.clock.advance(60)
        assert isinstance(await verify.verify(provider.token()), Verified)


async def test_a_provider_that_fails_is_open_for_a_while(provider: SigningProvider) -> None:
    provider.down = True
    async with verifier(provider) as verify:
        for pause in (0, 0, 3, 0, 3, 0, 3, 3, 0):
            provider.clock.advance(pause)
            with pytest.raises(ProviderUnavailable):
                await verify.verify(provider.token())
        corp = verify.clients["corp"]
        assert (corp.counts.asked, corp.counts.failed, corp.is_open) == (3, 3, True)
        provider.down = False
        provider.clock.advance(11)
        assert isinstance(await verify.verify(provider.token()), Verified)
        assert not corp.is_open


USERINFO = {"check": Check.USERINFO, "audiences": ()}


async def test_no_cookie_of_one_question_goes_with_the_next(provider: SigningProvider) -> None:
    provider.said, provider.headers = {"sub": "ana"}, {"Set_Cookie": "session=ana; Path=/"}
    async with verifier(provider, **USERINFO) as verify:
        await verify.verify(Secret("ana"))
        await verify.verify(Secret("bob"))
    assert [asked for asked in provider.server.asked if "cookie" in asked.headers] == []


async def test_a_provider_that_was_left_alone_is_tried_with_one_question(provider: SigningProvider) -> None:
    answered = threading.Event()
    async with verifier(provider, **USERINFO, userinfo_url=f"{provider.server.url}/userinfo") as verify:
        provider.down = True
        for pause in (0, 3, 3):
            provider.clock.advance(pause)
            with pytest.raises(ProviderUnavailable):
                await verify.verify(Secret("opaque"))
        provider.down, provider.said, provider.wait = False, {"sub": "ana"}, answered
        provider.clock.advance(11)
        before = len(provider.server.asked)
        first = asyncio.ensure_future(verify.verify(Secret("first")))
        await asyncio.to_thread(provider.server.came, before + 1)
        for number in range(20):
            with pytest.raises(ProviderUnavailable):
                await verify.verify(Secret(f"other-{number}"))
        answered.set()
        assert isinstance(await first, Verified)
        assert isinstance(await verify.verify(Secret("later")), Verified)


async def test_machines_that_wait_for_others_are_no_failure_of_the_provider(provider: SigningProvider) -> None:
    provider.said = {"sub": "ana"}
    async with verifier(provider, **USERINFO, timeout=0.2) as verify:
        await verify.verify(Secret("warm"))
        provider.wait = threading.Event()
        asked = [asyncio.ensure_future(verify.verify(Secret(f"t{number}"))) for number in range(60)]
        words = await asyncio.gather(*asked, return_exceptions=True)
        provider.wait.set()
        assert all(isinstance(word, ProviderUnavailable) for word in words)
        assert verify.clients["corp"].counts.failed <= 16


async def test_a_name_that_no_resolver_takes_is_a_provider_that_cannot_be_asked(provider: SigningProvider) -> None:
    provider.keys_url = "https://xn--/keys"
    async with verifier(provider) as verify:
        with pytest.raises(ProviderUnavailable, match=r"request to .* failed"):
            await verify.verify(provider.token())


async def test_a_shorter_time_for_kept_keys_holds(provider: SigningProvider) -> None:
    async with verifier(provider, keys_kept=30.0) as verify:
        await verify.verify(provider.token())
        provider.down = True
        provider.clock.advance(31)
        with pytest.raises(ProviderUnavailable):
            await verify.verify(provider.token())


async def test_a_provider_elsewhere_sends_us_to_no_port_of_this_computer(
    provider: SigningProvider, tmp_path: Path
) -> None:
    authority = Authority(tmp_path)
    provider.keys_url = f"{provider.server.url}/keys"
    with AnsweringServer(provider.answer, tls=authority.server("IP:127.0.0.1")) as elsewhere:
        provider.named = elsewhere.url
        async with verifier(provider, issuer=elsewhere.url, ca_file=authority.certificate) as verify:
            with pytest.raises(ProviderUnavailable, match="no https jwks_uri"):
                await verify.verify(provider.token())
    assert provider.server.asked == []


async def test_a_token_without_a_key_s_name_waits_for_the_next_fetch_of_keys(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        await verify.verify(provider.token())
        provider.rotate("two")
        provider.clock.advance(30)
        nameless = without_kid(provider)
        with pytest.raises(ProviderUnavailable):
            await verify.verify(nameless)
        provider.clock.advance(31)
        assert isinstance(await verify.verify(nameless), Verified)


async def test_a_new_key_that_cannot_be_fetched_now_makes_the_machine_ask_again(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        await verify.verify(provider.token())
        provider.rotate("two")
        provider.clock.advance(61)
        provider.down = True
        with pytest.raises(ProviderUnavailable):
            await verify.verify(provider.token())
        provider.down = False
        provider.clock.advance(3)
        assert isinstance(await verify.verify(provider.token()), Verified)


async def test_an_invented_key_does_not_get_the_tokens_of_a_new_one_refused(provider: SigningProvider) -> None:
    async with verifier(provider) as verify:
        await verify.verify(provider.token({"kid": "invented"}))
        provider.rotate("two")
        provider.clock.advance(30)
        with pytest.raises(ProviderUnavailable):
            await verify.verify(provider.token())
        provider.clock.advance(31)
        assert isinstance(await verify.verify(provider.token()), Verified)


async def test_the_word_of_introspection_ends_with_the_token(provider: SigningProvider) -> None:
    provider.said = {"active": True, "sub": "ana", "client_id": "machines", "exp": provider.clock.now() + 5}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    async with verifier(provider, **how, leeway=0.0) as verify:
        assert isinstance(await verify.verify(Secret("opaque")), Verified)
        provider.clock.advance(6)
        assert await verify.verify(Secret("opaque")) is TokenRefusal.EXPIRED


@pytest.mark.parametrize("ends", [10**400, float("nan"), float("inf"), True, "5"])
async def test_an_end_that_is_no_time_is_one_that_is_not_told(provider: SigningProvider, ends: object) -> None:
    provider.said = {"active": True, "sub": "ana", "client_id": "machines", "exp": ends}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    async with verifier(provider, **how) as verify:
        word = await verify.verify(Secret("opaque"))
        assert isinstance(word, Verified)
        assert word.person.expires_at is None


@pytest.mark.parametrize("url", ["http://idp.example/keys", "https://[idp.example/keys", "https:///keys"])
async def test_keys_are_not_fetched_over_plain_http_from_elsewhere(provider: SigningProvider, url: str) -> None:
    provider.keys_url = url
    async with verifier(provider) as verify:
        with pytest.raises(ProviderUnavailable, match="no https jwks_uri"):
            await verify.verify(provider.token())


async def test_an_issuer_with_a_path_is_found_where_rfc_8414_has_its_metadata(provider: SigningProvider) -> None:
    provider.path = "/tenant"
    async with verifier(provider) as verify:
        assert isinstance(await verify.verify(provider.token()), Verified)
    assert provider.asked_for("/.well-known/oauth-authorization-server/tenant") == 1


async def test_metadata_of_another_issuer_is_refused(provider: SigningProvider) -> None:
    async with verifier(provider, issuer=f"{provider.issuer}/") as verify:
        with pytest.raises(ProviderUnavailable, match="names another issuer"):
            await verify.verify(provider.token(iss=f"{provider.issuer}/"))


async def test_introspection_asks_with_our_client_and_believes_the_provider(provider: SigningProvider) -> None:
    provider.said = {"active": True, "sub": "ana-1", "client_id": "machines", "username": "ana", "exp": 4_000_000_000}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    async with verifier(provider, **how, client_secret=Secret("s3cret")) as verify:
        word = await verify.verify(Secret("opaque"))
        assert isinstance(word, Verified)
        assert str(word.person) == "ana (corp)"
        asked = provider.server.asked[-1]
        assert asked.form["token"] == "opaque"
        assert asked.headers["authorization"] == f"Basic {base64.b64encode(b'bootgrant:s3cret').decode()}"
        await verify.verify(Secret("opaque"))
        assert provider.asked_for("/introspect") == 1


@pytest.mark.parametrize(
    ("said", "refusal"),
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
async def test_what_introspection_says_against_a_token_holds(
    provider: SigningProvider, said: dict[str, Any], refusal: TokenRefusal
) -> None:
    provider.said = said
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    async with verifier(provider, **how) as verify:
        assert await verify.verify(Secret("opaque")) is refusal


async def test_a_provider_that_does_not_know_our_client_says_nothing_about_the_token(provider: SigningProvider) -> None:
    provider.said_status, provider.said = 401, {"error": "invalid_client"}
    how = {"check": Check.INTROSPECTION, "audiences": (), "client_ids": ("machines",), "client_id": "bootgrant"}
    async with verifier(provider, **how) as verify:
        with pytest.raises(ProviderUnavailable, match="client_secret_file"):
            await verify.verify(Secret("opaque"))


async def test_userinfo_says_who_and_refuses(provider: SigningProvider) -> None:
    provider.said = {"sub": "ana-1", "email": "ana@example.org"}
    async with verifier(provider, check=Check.USERINFO) as verify:
        word = await verify.verify(Secret("opaque"))
        assert isinstance(word, Verified)
        assert provider.server.asked[-1].headers["authorization"] == "Bearer opaque"
        provider.said_status, provider.said = 401, {"error": "invalid_token"}
        assert await verify.verify(Secret("another")) is TokenRefusal.UNKNOWN


@pytest.mark.parametrize("text", ["caf\xe9", "a\x01b", "a b", "", "a" * 20_000])
async def test_what_cannot_be_a_token_is_shown_to_nobody(provider: SigningProvider, text: str) -> None:
    async with verifier(provider, check=Check.USERINFO, audiences=()) as verify:
        assert await verify.verify(Secret(text)) is TokenRefusal.UNKNOWN
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
async def test_the_log_says_what_the_console_has_no_room_for(
    provider: SigningProvider,
    caplog: pytest.LogCaptureFixture,
    header: dict[str, Any],
    claims: dict[str, Any],
    reason: str,
) -> None:
    caplog.set_level("INFO")
    async with verifier(provider, algorithms=("RS256",)) as verify:
        assert await verify.verify(provider.token(header, **claims)) is TokenRefusal.INVALID
    assert reason in caplog.text


async def test_a_token_is_shown_to_no_provider_but_the_one_that_gave_it_out(provider: SigningProvider) -> None:
    with signing_provider(provider.clock) as other:
        asked = replace(jwt_settings(other), name="other", check=Check.USERINFO, audiences=())
        verify = Verifier([jwt_settings(provider), asked], provider.clock)
        assert isinstance(await verify.verify(provider.token()), Verified)
        assert other.server.asked == []
        other.said = {"sub": "bob"}
        opaque = await verify.verify(Secret("opaque"))
        assert isinstance(opaque, Verified)
        assert opaque.person.provider == "other"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=200), st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,9}")
    )
)
async def test_any_text_is_refused_and_breaks_nothing(provider: SigningProvider, text: str) -> None:
    async with verifier(provider) as verify:
        assert isinstance(await verify.verify(Secret(text)), TokenRefusal)


def test_every_refusal_fits_the_console() -> None:
    for reason in (*(refusal.value for refusal in TokenRefusal), ProviderUnavailable.reason):
        assert reason.isascii()
        assert len(reason) <= 32


def test_a_secret_of_a_provider_is_not_shown() -> None:
    settings = TokenProvider("corp", "https://x", Check.JWT, RULES, client_secret=Secret("swordfish"))
    assert "swordfish" not in repr(settings)
    assert hashlib.sha256(b"swordfish").hexdigest() not in repr(settings)
