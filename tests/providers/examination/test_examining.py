"""A whole examination against a provider on loopback, with one thing wrong in each."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc.jwk import ECKey, RSAKey

from support.answering_server import AnsweringServer, Asked, http, reply
from support.examined_providers import RULES, Shown, bad, examined, sign_in

KEY = RSAKey.generate_key(2048, {"kid": "one"}).as_dict(private=False)
CALLBACK = "https://boot.example/login/oidc/corp/callback"
_ENDPOINTS = ("authorization", "token", "userinfo", "end_session", "introspection", "device_authorization")
USUAL = {
    "response_types_supported": ["code"],
    "code_challenge_methods_supported": ["S256"],
    "scopes_supported": ["openid", "profile"],
    "backchannel_logout_supported": True,
}


class Loopback:
    """A provider whose answers a test replaces: ``described`` in its metadata, or a path's answer in ``paths``."""

    def __init__(self, *, ahead: float = 0.0, **described: Any) -> None:
        self.described = described
        self.ahead = ahead
        self.keys: list[dict[str, Any]] = [KEY]
        self.paths: dict[str, Callable[[Asked], bytes]] = {"/authorization": self._auth, "/token": self._token}
        self.url = ""

    def __call__(self, asked: Asked) -> bytes:
        path = asked.target.partition("?")[0]
        if path in self.paths:
            return self.paths[path](asked)
        if path == "/keys":
            return reply(200, {"keys": self.keys})
        if path != "/.well-known/openid-configuration":
            return http(404)
        names = {"jwks_uri": "keys"} | {f"{name}_endpoint": name for name in _ENDPOINTS}
        own: dict[str, Any] = {"issuer": self.url} | {name: f"{self.url}/{path}" for name, path in names.items()}
        members = {name: value for name, value in (own | USUAL | self.described).items() if value is not None}
        return reply(200, members, Date=formatdate(time.time() + self.ahead, usegmt=True))

    def _auth(self, asked: Asked) -> bytes:
        query = parse_qs(urlsplit(asked.target).query)
        assert query["code_challenge_method"] == ["S256"]
        state = query["state"][0]
        return http(302, Location=f"{query['redirect_uri'][0]}?error=login_required&state={state}")

    def _token(self, asked: Asked) -> bytes:
        assert asked.form["grant_type"] == "authorization_code"
        return reply(400, {"error": "invalid_grant"})


def shown(folder: Path, provider: Loopback, lines: str = "", scopes: str = '"openid", "profile"') -> Shown:
    """Examine the provider, as one of [[oidc]] unless ``lines`` say something else."""
    with AnsweringServer(provider) as server:
        provider.url = server.url
        written = lines.replace("ISSUER", server.url) or sign_in(folder, server.url, "hunter22", scopes)
        return examined(folder, written)


def test_a_right_provider_has_no_warning_and_no_secret_is_shown(tmp_path: Path) -> None:
    found = shown(tmp_path, Loopback())
    assert bad(found) == {}
    assert set(found) == {
        "provider-metadata", "provider-clock", "provider-keys", "authorization", "credentials", "back-channel",
    }  # fmt: skip
    assert "https://boot.example/login/oidc/corp/logout" in found["back-channel"][1]
    assert not any("hunter22" in message for _, message in found.values())


@pytest.mark.parametrize(
    ("described", "codes"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, {"no-s256": "error"}),
        ({"response_types_supported": ["token"]}, {"response-type": "error"}),
        ({"issuer": "https://another.example"}, {"provider-metadata": "error"}),
        ({"authorization_endpoint": None}, {"authorization-endpoint": "error"}),
        ({"token_endpoint": None}, {"token-endpoint": "error"}),
        ({"jwks_uri": None}, {"provider-keys": "error"}),
        ({"userinfo_endpoint": None}, {"claim-unknown": "warning"}),
        ({"ahead": 30}, {"provider-clock": "warning"}),
        ({"ahead": -300}, {"provider-clock": "error"}),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, {"algorithms": "error"}),
    ],
)
def test_what_the_metadata_lacks_is_reported(tmp_path: Path, described: dict[str, Any], codes: dict[str, str]) -> None:
    assert bad(shown(tmp_path, Loopback(**described))) == codes


def test_the_keys_that_are_ignored_are_named(tmp_path: Path) -> None:
    provider = Loopback()
    curve = ECKey.generate_key("P-256", {"kid": "enc", "use": "enc"}).as_dict(private=False)
    provider.keys = [
        KEY,
        curve,
        {"kty": "EC", "crv": "brainpoolP256r1", "kid": "odd", "x": "a", "y": "b"},
        {"kty": "?"},
    ]
    found = shown(tmp_path, provider)
    assert bad(found) == {}
    assert found["provider-keys"][1] == "1 key can be used to check signatures"
    assert "enc" not in found["provider-keys-ignored"][1]
    for name in ("odd", "brainpoolP256r1", "?"):
        assert name in found["provider-keys-ignored"][1]


def test_a_scope_that_the_provider_does_not_know_is_reported(tmp_path: Path) -> None:
    assert bad(shown(tmp_path, Loopback(), scopes='"openid", "groups"')) == {"scope-unnamed": "warning"}
    provider = Loopback()

    def refuse(asked: Asked) -> bytes:
        state = parse_qs(urlsplit(asked.target).query)["state"][0]
        return http(302, Location=f"{CALLBACK}?error=invalid_scope&state={state}")

    provider.paths["/authorization"] = refuse
    found = shown(tmp_path, provider, scopes='"openid", "groups"')
    assert bad(found) == {"scope": "error"}
    assert "does not know groups" in found["scope"][1]


def test_a_redirect_is_not_followed_and_no_cookie_is_sent(tmp_path: Path) -> None:
    provider = Loopback()
    provider.paths["/authorization"] = lambda _: http(302, Location="/login", Set_Cookie="session=1")
    with AnsweringServer(provider) as server:
        provider.url = server.url
        found = examined(tmp_path, sign_in(tmp_path, server.url, "hunter22"))
        assert "/login" not in server.targets()
        assert all("cookie" not in asked.headers for asked in server.asked)
    assert found["authorization"][1].endswith(f"it leads to {provider.url}/login")


def test_a_wrong_secret_is_reported_without_the_secret(tmp_path: Path) -> None:
    provider = Loopback()
    provider.paths["/token"] = lambda _: reply(
        401, {"error": "invalid_client", "error_description": "hunter22 is wrong"}
    )
    found = shown(tmp_path, provider)
    assert bad(found) == {"credentials": "error"}
    assert "hunter22" not in found["credentials"][1]


INTROSPECTION = 'check = "introspection"\nclient_id = "boot"\nclient_ids = ["machines"]'


def outside(lines: str) -> str:
    return f'[[providers]]\nname = "corp"\nissuer = "ISSUER"\n{lines}\n{RULES}'


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (reply(200, {"active": False}), {}),
        (reply(200, {"active": True, "sub": "x"}), {"outside-provider-unusable": "error"}),
        (reply(401, {"error": "invalid_client"}), {"introspection-refused": "error"}),
        (reply(403, {"error": "access_denied"}), {"introspection-refused": "error"}),
        (http(404), {"introspection-refused": "error"}),
        (reply(200, {"state": "ok"}), {"introspection-refused": "error"}),
    ],
)
def test_introspection_is_tried_with_a_made_up_token(tmp_path: Path, answer: bytes, codes: dict[str, str]) -> None:
    provider = Loopback()
    provider.paths["/introspection"] = lambda _: answer
    assert bad(shown(tmp_path, provider, outside(INTROSPECTION))) == codes


@pytest.mark.parametrize(
    ("answer", "codes"),
    [
        (http(401), {}),
        (reply(200, {"sub": "x"}), {"outside-provider-unusable": "error"}),
        (http(404), {"outside-provider-unusable": "error"}),
        (http(503), {"outside-provider-unusable": "error"}),
    ],
)
def test_userinfo_is_tried_with_a_made_up_token(tmp_path: Path, answer: bytes, codes: dict[str, str]) -> None:
    provider = Loopback()
    provider.paths["/userinfo"] = lambda _: answer
    assert bad(shown(tmp_path, provider, outside('check = "userinfo"'))) == codes


@pytest.mark.parametrize(
    ("described", "codes"),
    [
        ({}, {}),
        ({"jwks_uri": None}, {"outside-provider-unusable": "error"}),
        ({"device_authorization_endpoint": None}, {"provider-device-flow": "warning"}),
        ({"ahead": 300}, {"provider-clock": "error"}),
    ],
)
def test_a_provider_whose_tokens_are_checked_here(
    tmp_path: Path, described: dict[str, Any], codes: dict[str, str]
) -> None:
    assert bad(shown(tmp_path, Loopback(**described), outside('audiences = ["boot"]'))) == codes
