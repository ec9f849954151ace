"""``GET /.well-known/oauth-authorization-server`` (RFC 8414): the endpoints and what they support."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.asgi import Receive, Scope, Send
from bootgrant.asgi.answer import json_answer, plain_answer
from bootgrant.wire.device_flow import GRANT_TYPE

_WITH_SECRET = ["client_secret_basic", "client_secret_post"]


@dataclass(frozen=True, slots=True)
class Metadata:
    public_url: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await plain_answer(405, "this endpoint only accepts GET", ((b"allow", b"GET, HEAD"),)).send(send)
            return
        await json_answer(200, self._members()).send(send)

    def _members(self) -> dict[str, object]:
        return {
            "issuer": self.public_url,
            "device_authorization_endpoint": f"{self.public_url}/device/code",
            "token_endpoint": f"{self.public_url}/token",
            "introspection_endpoint": f"{self.public_url}/introspect",
            "revocation_endpoint": f"{self.public_url}/revoke",
            "grant_types_supported": [GRANT_TYPE],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none", *_WITH_SECRET],
            "introspection_endpoint_auth_methods_supported": [*_WITH_SECRET, "Bearer"],
            "revocation_endpoint_auth_methods_supported": _WITH_SECRET,
        }
