"""An OpenID provider on loopback that gives right answers until a test bends them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import OctKey, RSAKey
from joserfc.jws import serialize_compact
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bootgrant.wire.secret import Secret
from support.browser import ServedApp
from support.fakes import FakeClock

_KEY = RSAKey.generate_key(2048, {"kid": "one"})


@dataclass(slots=True)
class CrookedProvider:
    """Values in ``header``, ``claims`` and ``metadata`` replace the right ones; None removes one. ``is_down``: status
    503 for everything. ``more_tokens`` does the same for the token endpoint's answer. ``instead`` has whole answers by
    path. ``requests`` are the paths asked for, ``forms`` and ``authorizations`` those of the token endpoint.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    issuer: str = ""
    nonce: str = ""
    key: RSAKey = field(default_factory=lambda: _KEY)
    more_keys: list[Any] = field(default_factory=list)
    signing: RSAKey | OctKey | None = None
    algorithm: str = "RS256"
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "8f1", "groups": ["fra"]})
    more_tokens: dict[str, Any] = field(default_factory=dict)
    instead: dict[str, Response] = field(default_factory=dict)
    token_status: int = 200
    token_answer: bytes | None = None
    is_down: bool = False
    requests: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def id_token(self) -> str:
        now = round(self.clock.now())
        usual = {"iss": self.issuer, "aud": "pages", "sub": "8f1", "iat": now, "exp": now + 300, "nonce": self.nonce}
        claims = {name: value for name, value in {**usual, **self.claims}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        # Written with ASCII only, so that a test can have texts that are not Unicode.
        return serialize_compact(header, json.dumps(claims).encode(), self.signing or self.key, [self.algorithm])

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
        """Sign any claims, for a signed answer."""
        return serialize_compact({"alg": "RS256", "kid": self.key.kid, **(header or {})}, json.dumps(claims), self.key)

    def logout_token(self, header: Mapping[str, Any] | None = None, /, **changes: Any) -> Secret:
        """Return a right logout token (Back-Channel Logout section 2.4) with these changes; None removes a claim."""
        now = round(self.clock.now())
        usual = {
            "iss": self.issuer, "aud": "pages", "sub": "8f1", "sid": "sid-1", "iat": now, "exp": now + 120,
            "jti": "one", "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        }  # fmt: skip
        claims = {name: value for name, value in {**usual, **changes}.items() if value is not None}
        head = {"alg": self.algorithm, "kid": self.key.kid, "typ": "logout+jwt"} | dict(header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return Secret(serialize_compact(head, json.dumps(claims).encode(), self.signing or self.key, [head["alg"]]))

    async def answer(self, request: Request) -> Response:
        path = request.url.path
        self.requests.append(path)
        if self.is_down:
            return Response(status_code=503)
        if path in self.instead:
            return self.instead[path]
        match path:
            case "/.well-known/openid-configuration":
                return as_json(self._described())
            case "/keys":
                return JSONResponse({"keys": [*self.more_keys, self.key.as_dict(private=False)]})
            case "/token":
                return await self._tokens(request)
            case "/me":
                return JSONResponse(self.userinfo)
            case _:
                return Response(status_code=404)

    def _described(self) -> dict[str, Any]:
        usual = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
            "end_session_endpoint": f"{self.issuer}/end?kind=rp",
        }
        return {name: value for name, value in {**usual, **self.metadata}.items() if value is not None}

    async def _tokens(self, request: Request) -> Response:
        form = await request.form()
        self.forms.append({name: str(value) for name, value in form.items()})
        self.authorizations.append(request.headers.get("authorization", ""))
        if self.token_answer is not None:
            return Response(self.token_answer, self.token_status)
        if self.token_status != 200:
            return JSONResponse({"error": "invalid_grant"}, self.token_status)
        usual = {"access_token": "at", "token_type": "Bearer", "id_token": self.id_token(), **self.more_tokens}
        return as_json({name: value for name, value in usual.items() if value is not None})


def as_json(value: object, status: int = 200) -> Response:
    """Answer in ASCII, so that a text may be anything that JSON can write."""
    return Response(json.dumps(value), status, media_type="application/json")


@contextmanager
def crooked_provider() -> Iterator[CrookedProvider]:
    provider = CrookedProvider()
    routes = [Route("/{path:path}", provider.answer, methods=["GET", "POST"])]
    with ServedApp(Starlette(routes=routes)) as served:
        provider.issuer = f"http://127.0.0.1:{served.port}"
        yield provider
