"""The userinfo endpoint (OpenID Connect Core section 5.3): its answers as JSON or signed, and its refusals in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.ports.providers import ProviderWrong
from bootgrant.ports.time import Clock
from bootgrant.providers.answer import ProviderAnswer
from bootgrant.providers.arrived import quoted
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.jwt import JwtReader, Refused, listed, moment, untimely
from bootgrant.wire.secret import Secret

_ACCEPT: Final = "application/json, application/jwt;q=0.9"
_PLAIN: Final = "set userinfo_signed_response_alg of this client to RS256 or ES256, or turn signing off"


@dataclass(frozen=True, slots=True)
class NoUserinfo:
    """The endpoint answers without claims: the status and the reason in words. ``error`` is the provider's code."""

    status: int
    reason: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Userinfo:
    """Asks for the claims about the bearer of an access token. ``leeway`` is in seconds."""

    client: ProviderClient
    reader: JwtReader
    issuer: str
    clock: Clock
    leeway: float

    async def claims(self, url: str, token: Secret, client_ids: Sequence[str] = ()) -> Mapping[str, Any] | NoUserinfo:
        """Return the claims, whose ``sub`` is not compared yet. A signed answer must be for one of ``client_ids`` if it
        names an audience; an empty list allows any.

        Raises ProviderUnavailable if the provider does not answer.
        """
        try:
            answer = await self.client.get(url, token, _ACCEPT)
        except ProviderWrong as error:
            return NoUserinfo(0, self.client.reason(error))
        if answer.status != 200:
            return _refused(url, answer, token)
        if answer.token is not None:
            return await self._signed(answer.token, client_ids)
        if not answer.is_object:
            return NoUserinfo(200, f"the userinfo endpoint answers with {answer.arrived}, not with a JSON object")
        return answer.members

    async def _signed(self, token: Secret, client_ids: Sequence[str]) -> Mapping[str, Any] | NoUserinfo:
        if token.reveal().count(".") != 2:
            return NoUserinfo(
                200, "userinfo is encrypted: turn that off for this client (userinfo_encrypted_response_alg)"
            )
        read = await self.reader.read_signed(token)
        if isinstance(read, Refused):
            return NoUserinfo(200, f"userinfo is signed, and the signature is refused: {read.reason}; {_PLAIN}")
        claims = read.claims
        if "iss" in claims and claims["iss"] != self.issuer:
            return NoUserinfo(200, f"the signed userinfo is of {quoted(claims['iss'])}, not of {quoted(self.issuer)}")
        if "aud" in claims and client_ids and set(listed(claims["aud"])).isdisjoint(client_ids):
            return NoUserinfo(200, f"the signed userinfo is for {quoted(claims['aud'])}, not for {client_ids[0]}")
        late = untimely(moment(claims.get("exp")), moment(claims.get("nbf")), self.clock.now(), self.leeway)
        return NoUserinfo(200, f"the signed userinfo cannot be used: {late.reason}") if late else claims


def _refused(url: str, answer: ProviderAnswer, token: Secret) -> NoUserinfo:
    said = answer.said([token]) or answer.arrived
    if answer.status in (401, 403):
        advice = "the scope openid must be granted, and the provider may demand more for userinfo"
        reason = f"the userinfo endpoint does not accept the access token (status {answer.status}: {said}); {advice}"
    else:
        reason = f"the userinfo endpoint {quoted(url)} answers status {answer.status}: {said}; check its address"
    return NoUserinfo(answer.status, reason, answer.error)
