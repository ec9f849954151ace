"""``POST /revoke`` (RFC 7009): a client with a secret ends its own token, or any when the site lets it."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import authenticate_confidential
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest, log
from bootgrant.machine_plane.form import BadRequest, required_token
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.workflows.look_at_token import LookAtToken


@dataclass(frozen=True, slots=True)
class Revocation:
    look: LookAtToken

    async def __call__(self, request: OAuthRequest) -> Answer:
        client = request.client
        if not await self.look.revoke(required_token(request.form), client.client_id, any_token=client.any_token):
            raise BadRequest(ErrorCode.UNAUTHORIZED_CLIENT, "the token was given to another client")
        log.info("a token was revoked by the client %s", ascii(request.client.client_id))
        return json_answer(200, {})


def revocation(look: LookAtToken, rules: MachineRules) -> OAuthEndpoint:
    """The endpoint, built from its parts."""
    return OAuthEndpoint(rules, authenticate_confidential, Revocation(look), UNAVAILABLE)
