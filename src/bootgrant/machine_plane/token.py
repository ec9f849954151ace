"""``POST /token`` (RFC 8628 sections 3.4 and 3.5). A request may be held until the decision is made.

Talos ends its flow at any error other than ``authorization_pending``. So a server fault is answered with that code, and
the machine keeps its code and polls again.
"""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.asgi.answer import Answer, json_answer
from bootgrant.machine_plane.clients import authenticate
from bootgrant.machine_plane.endpoint import MachineRules, OAuthEndpoint, OAuthRequest, log, oauth_error, retry_after
from bootgrant.machine_plane.form import BadRequest
from bootgrant.wire.device_flow import GRANT_TYPE, AccessToken, ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.tokens import PollGrant, PollRefused, TokenIssued

PENDING = oauth_error(ErrorCode.AUTHORIZATION_PENDING)
_DESCRIPTIONS = {
    ErrorCode.SLOW_DOWN: "polling faster than the interval allows",
    ErrorCode.ACCESS_DENIED: "an operator denied this machine",
    ErrorCode.EXPIRED_TOKEN: "the code has expired: ask for a new one",
    ErrorCode.INVALID_GRANT: "unknown device_code: ask for a new one",
}


@dataclass(frozen=True, slots=True)
class Token:
    poll_grant: PollGrant

    async def __call__(self, request: OAuthRequest) -> Answer:
        code = _parse(request.form)
        client_id, address = request.client.client_id, request.address
        outcome = await self.poll_grant(client_id, code, request.gone, address, has_basic=request.has_basic)
        if isinstance(outcome, TokenIssued):
            log.info("token issued to %s", request.address, extra={"grant_id": outcome.grant_id})
        elif outcome.code is not ErrorCode.AUTHORIZATION_PENDING:
            request.refused["/token", outcome.code.value] += 1
        return _write(outcome)


def token(poll_grant: PollGrant, rules: MachineRules) -> OAuthEndpoint:
    return OAuthEndpoint(rules, authenticate, Token(poll_grant), PENDING)


def _parse(form: dict[str, str]) -> Secret:
    grant_type = form.get("grant_type", "")
    if not grant_type:
        raise BadRequest(ErrorCode.INVALID_REQUEST, "grant_type is missing")
    if grant_type != GRANT_TYPE:
        raise BadRequest(ErrorCode.UNSUPPORTED_GRANT_TYPE, f"only {GRANT_TYPE} is supported")
    code = form.get("device_code", "")
    if not code:
        raise BadRequest(ErrorCode.INVALID_REQUEST, "device_code is missing")
    return Secret(code)


def _write(outcome: TokenIssued | PollRefused) -> Answer:
    if isinstance(outcome, TokenIssued):
        return json_answer(200, AccessToken(outcome.token, expires_in=outcome.expires_in).as_json())
    if outcome.code is ErrorCode.AUTHORIZATION_PENDING:
        return PENDING
    headers = retry_after(outcome.retry_after) if outcome.retry_after > 0 else ()
    return oauth_error(outcome.code, outcome.reason or _DESCRIPTIONS.get(outcome.code, ""), headers=headers)
