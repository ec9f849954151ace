"""A small OpenID provider on a loopback port that sends whatever claims a test wants, without asking anybody."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey


@dataclass(slots=True)
class ClaimsProvider:
    """``claims`` go into the ID token. With ``refuses`` (error, error_description), nobody is signed in."""

    issuer: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    refuses: Mapping[str, str] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}))
    asked: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """The authorization requests by code."""

    def metadata(self) -> Mapping[str, Any]:
        paths = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return {
            "issuer": self.issuer,
            **{name: self.issuer + path for name, path in paths.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def authorize(self, asked: Mapping[str, str]) -> str:
        """Return where the browser goes back to."""
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        answer = dict(self.refuses) or {"code": code}
        return f"{asked['redirect_uri']}?{urlencode({**answer, 'state': asked['state']})}"

    def tokens(self, code: str) -> Mapping[str, Any]:
        asked, now = self.asked.pop(code), int(time.time())
        usual = {"iss": self.issuer, "aud": asked["client_id"], "sub": "u-1", "iat": now, "exp": now + 300}
        claims = {**usual, "nonce": asked["nonce"], **self.claims}
        signed = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return {"access_token": "at", "token_type": "Bearer", "expires_in": 300, "id_token": signed}


@contextmanager
def claims_provider() -> Iterator[ClaimsProvider]:
    """Serve one for the duration of the block."""
    provider = ClaimsProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            if url.path == "/auth":
                self.send_response(302)
                self.send_header("Location", provider.authorize(_single(url.query)))
                self.end_headers()
            elif url.path == "/keys":
                self._send({"keys": [provider.key.as_dict(private=False)]})
            else:
                self._send(provider.metadata())

        def do_POST(self) -> None:
            form = _single(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self._send(provider.tokens(form["code"]))

        def _send(self, members: Mapping[str, Any]) -> None:
            body = json.dumps(members).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base class)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()


def _single(query: str) -> Mapping[str, str]:
    return {name: values[0] for name, values in parse_qs(query).items()}
