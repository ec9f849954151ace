"""Keys of a provider that cannot be used: each is ignored, and the others still verify (RFC 7517 section 5)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey
from starlette.responses import JSONResponse

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Role
from bootgrant.ports.providers import ProviderWrong, Request, TokenRefusal, Verified
from bootgrant.providers.keys import KeyList, PublicKey, read_keys
from bootgrant.providers.settings import Check, SignInProvider, TokenProvider
from bootgrant.providers.sign_in import OidcProvider
from bootgrant.providers.tokens import Verifier
from bootgrant.wire.secret import Secret
from support.crooked_provider import CrookedProvider, crooked_provider
from support.fakes import FakeClock
from support.signing_provider import AUDIENCE, SigningProvider, signing_provider

pytestmark = pytest.mark.anyio
REQUEST = Request("https://boot.example/login/oidc/corp/callback", "s" * 43, "n" * 43, Secret("v" * 43))
RULES = (RoleRule("groups", "fra", Role.APPROVER),)
EC = ECKey.generate_key("P-256", {"kid": "ec"}).as_dict(private=False)
UNUSABLE: list[Any] = [
    None,
    7,
    "a key",
    [],
    {},
    {"kty": None},
    {"kty": ["RSA"]},
    {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    {"kty": "RSA", "kid": "empty"},
    {"kty": "RSA", "n": "", "e": "AQAB"},
    {"kty": "RSA", "n": 7, "e": "AQAB"},
    {"kty": "RSA", "n": "!!!", "e": "AQAB"},
    {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
    {"kty": "RSA", "x5c": ["MIIB"]},
    {"kty": "oct", "k": "AAAA", "kid": "secret"},
    {"kty": "EC", "crv": "brainpoolP256r1", "use": "sig", "kid": "z", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": "secp256k1", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": ["P-256"], "x": "AAAA", "y": "AAAA"},
    {"kty": "EC", "crv": "P-256"},
    {"kty": "OKP", "crv": "X25519", "x": "A" * 43},
    {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
    {**EC, "use": "enc"},
    {**EC, "use": ["sig"]},
    {**EC, "key_ops": ["deriveKey"]},
    {**EC, "key_ops": "verify"},
    {**EC, "alg": "ECDH-ES"},
    {**EC, "alg": "ES384"},
    {**EC, "alg": 7},
]


@pytest.fixture
def crooked() -> Iterator[CrookedProvider]:
    with crooked_provider() as provider:
        provider.nonce, provider.claims = REQUEST.nonce, {"groups": ["fra"]}
        yield provider


@pytest.fixture
def provider() -> Iterator[SigningProvider]:
    with signing_provider(FakeClock()) as running:
        yield running


def verifier(provider: SigningProvider) -> Verifier:
    return Verifier([TokenProvider("corp", provider.issuer, Check.JWT, (), audiences=(AUDIENCE,))], provider.clock)


async def subject(crooked: CrookedProvider) -> str:
    settings = SignInProvider("corp", "Corp", crooked.issuer, "pages", None, ("openid",), RULES)
    return (await OidcProvider(settings, crooked.clock).person(REQUEST, "the code", "")).subject


@pytest.mark.parametrize("key", UNUSABLE, ids=range(len(UNUSABLE)))
def test_a_key_that_cannot_be_used_is_ignored_for_a_reason(key: object) -> None:
    keys = read_keys([key, EC])
    assert [found.key_id for found in keys.usable] == ["ec"]
    assert len(keys.ignored) == 1
    assert len(str(keys.ignored[0])) > 20


async def test_sign_in_works_with_the_one_good_key_among_many(crooked: CrookedProvider) -> None:
    crooked.more_keys = UNUSABLE
    assert await subject(crooked) == "8f1"


async def test_tokens_of_machines_are_checked_with_the_one_good_key_among_many(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    provider.older_keys = UNUSABLE
    tokens = verifier(provider)
    assert isinstance(await tokens.verify(provider.token()), Verified)
    assert "'z': its crv is 'brainpoolP256r1'" in caplog.text
    assert isinstance(await tokens.verify(provider.token()), Verified)
    assert caplog.text.count("brainpoolP256r1") == 1


@pytest.mark.parametrize("name", ["one", None])
async def test_several_keys_with_one_name_are_all_tried(crooked: CrookedProvider, name: str | None) -> None:
    """Also a key that can be read but belongs to another algorithm or curve."""
    others = [
        EC,
        ECKey.generate_key("P-521").as_dict(private=False),
        OKPKey.generate_key("Ed448").as_dict(private=False),
        RSAKey.generate_key(2048).as_dict(private=False),
    ]
    for key in others:
        key.pop("kid", None)
    crooked.more_keys = [{**key, "kid": name} if name else key for key in others]
    assert await subject(crooked) == "8f1"


async def test_a_key_without_a_name_may_have_signed_a_token_that_names_one(crooked: CrookedProvider) -> None:
    public = {name: value for name, value in crooked.key.as_dict(private=False).items() if name != "kid"}
    crooked.more_keys, crooked.key = [public, EC], crooked.key
    crooked.header = {"kid": "a name of its own"}
    assert await subject(crooked) == "8f1"


@pytest.mark.parametrize(
    "header",
    [
        {"x5c": ["MII" * 1000]},
        {"pi.atm": "1", "org.example": {"a": 1}},
        {"jku": "/keys", "x5t": 7, "x5c": "none"},
        {"typ": None},
    ],
)
async def test_members_of_a_header_that_are_not_needed_are_ignored(
    provider: SigningProvider, header: dict[str, Any]
) -> None:
    assert isinstance(provider.key, RSAKey)
    assert provider.key.private_key is not None
    head = base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": "one", **header}).encode()).decode().rstrip("=")
    signed = f"{head}.{provider.token().reveal().split('.')[1]}"
    raw = provider.key.private_key.sign(signed.encode(), PKCS1v15(), SHA256())
    token = Secret(f"{signed}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}")
    assert isinstance(await verifier(provider).verify(token), Verified)


async def test_a_document_without_a_usable_key_names_each_and_why(crooked: CrookedProvider) -> None:
    keys = [{"kty": "oct", "k": "AAAA", "kid": "shared"}, {"kty": "RSA", "x5c": ["MIIB"], "kid": "certificate"}]
    crooked.instead["/keys"] = JSONResponse({"keys": keys})
    with pytest.raises(ProviderWrong) as failure:
        await subject(crooked)
    text = str(failure.value)
    assert "'shared': it is a shared secret" in text
    assert "'certificate': it has no n and no e, only a certificate (x5c)" in text
    assert "AAAA" not in text


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": []}, [], None, "keys"])
async def test_a_document_that_is_not_a_set_of_keys_is_refused(crooked: CrookedProvider, document: object) -> None:
    crooked.instead["/keys"] = JSONResponse(document)
    with pytest.raises(ProviderWrong, match="keys"):
        await subject(crooked)


async def test_a_token_that_names_an_ignored_key_is_refused_with_the_reason(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    provider.older_keys = [{"kty": "EC", "crv": "brainpoolP256r1", "kid": "z", "x": "AAAA", "y": "AAAA"}]
    assert await verifier(provider).verify(provider.token({"kid": "z"})) is TokenRefusal.INVALID
    assert "its key 'z' is not used: its crv is 'brainpoolP256r1'" in caplog.text


async def test_a_key_for_another_algorithm_is_named_with_both(
    provider: SigningProvider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    token = provider.token()
    provider.key = RSAKey.import_key({**provider.key.as_dict(private=True), "alg": "PS256"})
    assert await verifier(provider).verify(token) is TokenRefusal.INVALID
    assert "its algorithm is RS256, and the provider's key 'one' is for PS256" in caplog.text


def test_both_names_of_eddsa_fit_one_key() -> None:
    """RFC 9864 renamed the algorithm."""
    key = OKPKey.generate_key("Ed25519").as_dict(private=False)
    for named in ("EdDSA", "Ed25519"):
        (usable,) = read_keys([{**key, "alg": named}]).usable
        assert usable.algorithms == {"EdDSA", "Ed25519"}


def test_no_private_member_is_read() -> None:
    (usable,) = read_keys([ECKey.generate_key("P-256").as_dict(private=True)]).usable
    assert not usable.key.is_private


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
ODD_KEY = st.fixed_dictionaries(
    {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct", "AKP"]) | JSON},
    optional={
        name: st.sampled_from(["AQAB", "AAAA", "P-256", "Ed25519", "sig", "RS256"]) | JSON
        for name in ("kid", "n", "e", "crv", "x", "y", "use", "alg", "key_ops", "d", "k", "x5c")
    },
)


@settings(max_examples=300, deadline=None)
@given(found=st.lists(JSON | ODD_KEY, max_size=5))
def test_any_list_is_read_key_by_key(found: list[object]) -> None:
    keys = read_keys([*found, EC])
    assert isinstance(keys, KeyList)
    assert len(keys.usable) + len(keys.ignored) == len(found) + 1
    assert isinstance(keys.usable[-1], PublicKey)
    assert all(str(key).isprintable() for key in keys.ignored)
