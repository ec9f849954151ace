"""``POST /revoke`` (RFC 7009): a client with a secret ends its own token, or any when the site lets it.

A program of an admin ends any token within its labels.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.grant import Refusal
from bootgrant.approval.operators import Role
from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import Program, authenticate_asker
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest, log
from bootgrant.machine_plane.form import BadRequest, required_token
from bootgrant.machine_plane.programs import actor_of
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.decide_grant import DecideGrant, NotDecided
from bootgrant.workflows.machine.tokens import LookAtToken
from bootgrant.workflows.people.api_tokens import ApiTokens


@dataclass(frozen=True, slots=True)
class Revocation:
    look: LookAtToken
    tokens: ApiTokens
    decide: DecideGrant

    async def __call__(self, request: OAuthRequest) -> Answer:
        client, token = request.client, required_token(request.form)
        if isinstance(client, Program):
            return await self._by_program(client, token)
        if not await self.look.revoke(token, client.client_id, any_token=client.any_token):
            raise BadRequest(ErrorCode.UNAUTHORIZED_CLIENT, "the token was given to another client")
        log.info("a token was revoked by the client %s", ascii(request.client.client_id))
        return json_answer(200, {})

    async def _by_program(self, program: Program, token: Secret) -> Answer:
        actor = await actor_of(program, self.tokens, Role.ADMIN)
        grant = await self.look.find(token)
        if grant is not None:
            outcome = await self.decide.revoke(grant.grant_id, actor)
            if isinstance(outcome, NotDecided) and outcome.refusal is Refusal.NOT_ALLOWED:
                raise BadRequest(ErrorCode.UNAUTHORIZED_CLIENT, "the labels of this API token leave that machine out")
            log.info("a token was revoked by %s", actor)
        return json_answer(200, {})


def revocation(look: LookAtToken, tokens: ApiTokens, decide: DecideGrant, rules: MachineRules) -> OAuthEndpoint:
    """The endpoint, built from its parts."""
    return OAuthEndpoint(rules, authenticate_asker, Revocation(look, tokens, decide), UNAVAILABLE)
