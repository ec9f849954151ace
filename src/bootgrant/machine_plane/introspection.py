"""``POST /introspect`` (RFC 7662): a client with a secret, or a program, asks whether a token serves, and for whom."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Role
from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import Program, authenticate_asker
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest
from bootgrant.machine_plane.form import required_token
from bootgrant.machine_plane.programs import actor_of
from bootgrant.workflows.machine.tokens import LookAtToken
from bootgrant.workflows.people.api_tokens import ApiTokens


@dataclass(frozen=True, slots=True)
class Introspection:
    look: LookAtToken
    tokens: ApiTokens
    issuer: str

    async def __call__(self, request: OAuthRequest) -> Answer:
        if isinstance(request.client, Program):
            await actor_of(request.client, self.tokens, Role.VIEWER)
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


def introspection(look: LookAtToken, tokens: ApiTokens, issuer: str, rules: MachineRules) -> OAuthEndpoint:
    """The endpoint, built from its parts."""
    return OAuthEndpoint(rules, authenticate_asker, Introspection(look, tokens, issuer), UNAVAILABLE)
