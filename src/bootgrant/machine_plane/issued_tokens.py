"""``POST /introspect`` (RFC 7662) and ``POST /revoke`` (RFC 7009): whether a token is active, and ending it.

Both are for clients with a secret and for programs with an API token. A client revokes its own tokens, or any token if
its settings allow it; a program of an admin revokes any token of the machines within its labels.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import Right
from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import Program, actor_of, authenticate_token_client
from bootgrant.machine_plane.endpoint import UNAVAILABLE, MachineRules, OAuthEndpoint, OAuthRequest, log
from bootgrant.machine_plane.form import BadRequest, required_token
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.decide_grant import DecideGrant, NotDecided
from bootgrant.workflows.machine.tokens import MachineTokens
from bootgrant.workflows.people.api_tokens import ApiTokens


@dataclass(frozen=True, slots=True)
class Introspection:
    look: MachineTokens
    tokens: ApiTokens
    issuer: str

    async def __call__(self, request: OAuthRequest) -> Answer:
        if isinstance(request.client, Program):
            await actor_of(request.client, self.tokens, Right.READ)
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


@dataclass(frozen=True, slots=True)
class Revocation:
    look: MachineTokens
    tokens: ApiTokens
    decide: DecideGrant

    async def __call__(self, request: OAuthRequest) -> Answer:
        client, token = request.client, required_token(request.form)
        if isinstance(client, Program):
            return await self._by_program(client, token)
        if not await self.look.revoke(token, client.client_id, any_token=client.any_token):
            raise BadRequest(ErrorCode.UNAUTHORIZED_CLIENT, "the token was issued to another client")
        log.info("a token was revoked by the client %s", ascii(request.client.client_id))
        return json_answer(200, {})

    async def _by_program(self, program: Program, token: Secret) -> Answer:
        actor = await actor_of(program, self.tokens, Right.ADMINISTER)
        grant = await self.look.find(token)
        if grant is not None:
            outcome = await self.decide.revoke(grant.grant_id, actor)
            if isinstance(outcome, NotDecided) and outcome.refusal is Refusal.NOT_ALLOWED:
                raise BadRequest(ErrorCode.UNAUTHORIZED_CLIENT, "the labels of this API token exclude that machine")
            log.info("a token was revoked by %s", actor)
        return json_answer(200, {})


def introspection(look: MachineTokens, tokens: ApiTokens, issuer: str, rules: MachineRules) -> OAuthEndpoint:
    return OAuthEndpoint(rules, authenticate_token_client, Introspection(look, tokens, issuer), UNAVAILABLE)


def revocation(look: MachineTokens, tokens: ApiTokens, decide: DecideGrant, rules: MachineRules) -> OAuthEndpoint:
    return OAuthEndpoint(rules, authenticate_token_client, Revocation(look, tokens, decide), UNAVAILABLE)
