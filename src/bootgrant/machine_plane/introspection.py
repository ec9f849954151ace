"""``POST /introspect`` (RFC 7662): a client with a secret asks whether a token serves, and for which machine."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.grant import DeviceGrant
from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import authenticate_confidential
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest
from bootgrant.machine_plane.form import required_token
from bootgrant.workflows.look_at_token import LookAtToken


@dataclass(frozen=True, slots=True)
class Introspection:
    look: LookAtToken
    issuer: str

    async def __call__(self, request: OAuthRequest) -> Answer:
        grant = await self.look.active(required_token(request.form))
        return json_answer(200, {"active": False} if grant is None else self._members(grant))

    def _members(self, grant: DeviceGrant) -> dict[str, object]:
        ends_at = grant.token_ends_at(self.look.rules)
        return {
            "active": True,
            "client_id": grant.client_id,
            "token_type": "Bearer",
            "exp": int(ends_at),
            "iat": int(grant.token_expires_at - self.look.rules.token_lifetime),
            "iss": self.issuer,
            "sub": grant.identity.uuid or grant.identity.serial or grant.identity.mac,
            "machine": grant.identity.given(),
        }


def introspection(look: LookAtToken, issuer: str, rules: MachineRules) -> OAuthEndpoint:
    """The endpoint, built from its parts."""
    return OAuthEndpoint(rules, authenticate_confidential, Introspection(look, issuer), UNAVAILABLE)
