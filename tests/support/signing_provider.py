"""An identity provider on a loopback port that signs whatever token a test needs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from bootgrant.wire.secret import Secret
from support.answering_server import AnsweringServer, Asked, http, reply
from support.fakes import FakeClock

AUDIENCE = "bootgrant"


@dataclass(slots=True)
class SigningProvider:
    """While ``down``, it answers 503 to everything. Introspection and userinfo answer ``answers``, with ``headers`` and
    not before ``wait`` is set. ``path`` is the path of the issuer, ``named`` the URL that the provider claims to have.
    """

    clock: FakeClock
    server: AnsweringServer = field(init=False)
    key: RSAKey | ECKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one"}))
    down: bool = False
    answers: dict[str, Any] = field(default_factory=dict)
    answer_status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None
    path: str = ""
    keys_url: str = ""
    named: str = ""
    older_keys: list[dict[str, Any]] = field(default_factory=list)

    @property
    def issuer(self) -> str:
        return f"{self.named or self.server.url}{self.path}"

    def rotate(self, kid: str) -> None:
        """Replace the key."""
        self.key = RSAKey.generate_key(2048, {"kid": kid})

    def token(self, header: Mapping[str, Any] | None = None, /, **changes: Any) -> Secret:
        """Sign an access token (RFC 9068). ``changes`` replace the usual claims; None removes one."""
        now = int(self.clock.now())
        claims = {
            "iss": self.issuer, "sub": "ana-1", "aud": AUDIENCE, "exp": now + 300, "iat": now, "client_id": "machines",
            "scope": "openid machines", "email": "ana@example.org",
        } | changes  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"alg": "RS256", "kid": self.key.kid, "typ": "at+jwt"} | dict(header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return Secret(jwt.encode(head, claims, self.key, algorithms=[head["alg"]]))

    @property
    def _metadata(self) -> str:
        """The path of the metadata: that of OpenID, or that of RFC 8414 if the issuer has a path."""
        return (
            f"/.well-known/oauth-authorization-server{self.path}" if self.path else "/.well-known/openid-configuration"
        )

    def answer(self, asked: Asked) -> bytes:
        if self.down:
            return http(503)
        match asked.target:
            case target if target == self._metadata:
                return reply(
                    200,
                    {
                        "issuer": self.issuer,
                        "jwks_uri": self.keys_url or f"{self.server.url}/keys",
                        "introspection_endpoint": f"{self.server.url}/introspect",
                        "userinfo_endpoint": f"{self.server.url}/userinfo",
                    },
                )
            case "/keys":
                return reply(200, {"keys": [*self.older_keys, self.key.as_dict(private=False)]})
            case "/introspect" | "/userinfo":
                if self.wait is not None:
                    self.wait.wait(20)
                return reply(self.answer_status, self.answers, **self.headers)
            case _:
                return http(404)

    def asked_for(self, target: str) -> int:
        return self.server.targets().count(target)


@contextmanager
def signing_provider(clock: FakeClock, host: str = "127.0.0.1") -> Iterator[SigningProvider]:
    provider = SigningProvider(clock)
    with AnsweringServer(provider.answer, host) as server:
        provider.server = server
        yield provider
