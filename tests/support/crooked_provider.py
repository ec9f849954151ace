"""An OpenID provider on loopback whose every answer a test can bend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from support.browser import ServedApp


@dataclass(slots=True)
class CrookedProvider:
    """Answers as it should until it is bent: ``claims`` and ``metadata`` overrule, None removes."""

    issuer: str = ""
    nonce: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    signing: RSAKey | OctKey | None = None
    algorithm: str = "RS256"
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=lambda: {"sub": "8f1", "groups": ["fra"]})
    token_status: int = 200
    forms: list[dict[str, str]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    def id_token(self) -> str:
        now = round(time.time())
        told = {"iss": self.issuer, "aud": "pages", "sub": "8f1", "iat": now, "exp": now + 300, "nonce": self.nonce}
        claims = {name: value for name, value in {**told, **self.claims}.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        return jwt.encode(header, claims, self.signing or self.key, algorithms=[self.algorithm])

    async def discovery(self, _request: Request) -> Response:
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
            "end_session_endpoint": f"{self.issuer}/end?kind=rp",
        }
        return JSONResponse({name: value for name, value in {**told, **self.metadata}.items() if value is not None})

    async def keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: Request) -> Response:
        form = await request.form()
        self.forms.append({name: str(value) for name, value in form.items()})
        self.authorizations.append(request.headers.get("authorization", ""))
        if self.token_status != 200:
            return JSONResponse({"error": "invalid_grant"}, self.token_status)
        return JSONResponse({"access_token": "at", "token_type": "Bearer", "id_token": self.id_token()})

    async def me(self, _request: Request) -> Response:
        return JSONResponse(self.userinfo)


@contextmanager
def crooked_provider() -> Iterator[CrookedProvider]:
    provider = CrookedProvider()
    routes = [
        Route("/.well-known/openid-configuration", provider.discovery),
        Route("/keys", provider.keys),
        Route("/token", provider.token, methods=["POST"]),
        Route("/me", provider.me),
    ]
    with ServedApp(Starlette(routes=routes)) as served:
        provider.issuer = f"http://127.0.0.1:{served.port}"
        yield provider
