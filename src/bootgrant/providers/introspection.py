"""Asking a provider about a token (RFC 7662), with an answer in JSON or signed (RFC 9701)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bootgrant.ports.providers import ProviderWrong, TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.answer import ProviderAnswer
from bootgrant.providers.arrived import kind_of, quoted
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.jwt import JwtReader, Refused, invalid, listed, moment, untimely
from bootgrant.providers.purpose import meant_for_others
from bootgrant.providers.settings import TokenProvider
from bootgrant.wire.secret import Secret

_SIGNED: Final = "token-introspection+jwt"
_ADVICE: Final = "check introspection_url in [[providers]]"


@dataclass(frozen=True, slots=True)
class IntrospectionCheck:
    """Asks the provider's introspection endpoint."""

    settings: TokenProvider
    client: ProviderClient
    discovery: Discovery
    reader: JwtReader
    clock: Clock

    async def check(self, token: Secret) -> Mapping[str, Any] | Refused:
        """Return what the provider says about the token. Raise ProviderUnavailable."""
        settings = self.settings
        url = await self.discovery.endpoint("introspection_endpoint", settings.introspection_url)
        form = {"token": token.reveal(), "token_type_hint": "access_token"}
        basic = (settings.client_id, settings.client_secret) if settings.client_secret else None
        if basic is None and settings.client_id:
            form["client_id"] = settings.client_id
        answer = await self.client.post(url, form, basic)
        claims = await self._claims(url, answer, token)
        if claims.get("active") is not True:
            odd = claims.get("active", False)
            found = "" if odd is False else f" (active is {quoted(odd)}, not true)"
            return Refused(TokenRefusal.UNKNOWN, f"the provider says that it is not active{found}")
        if "iss" in claims and claims["iss"] != settings.issuer:
            return invalid(f"its issuer is {quoted(claims['iss'])}, not {settings.issuer}")
        expires, begins = moment(claims.get("exp")), moment(claims.get("nbf"))
        refused = untimely(expires, begins, self.clock.now(), settings.leeway)
        return refused or meant_for_others(settings, claims) or claims

    async def _claims(self, url: str, answer: ProviderAnswer, token: Secret) -> Mapping[str, Any]:
        if answer.status != 200:
            raise self._refused(url, answer, token)
        if answer.token is not None:
            return await self._signed(answer.token)
        if not answer.is_object:
            raise self.client.wrong(url, answer, "a JSON object", _ADVICE)
        return answer.members

    def _refused(self, url: str, answer: ProviderAnswer, token: Secret) -> ProviderWrong:
        """Return an error: the provider does not let our client ask, which says nothing about the token."""
        said = answer.said([token]) or answer.arrived
        if answer.status in (404, 405):
            advice = f"{_ADVICE}; some providers, Hydra for one, have it on another port than the rest"
        elif answer.status == 403:
            advice = "allow the client of client_id to introspect tokens at the provider"
        else:
            advice = "check client_id and client_secret_file in [[providers]]"
        return ProviderWrong(
            f"provider {self.settings.name} refuses introspection at {url} (status {answer.status}: {said}); {advice}"
        )

    async def _signed(self, answer: Secret) -> Mapping[str, Any]:
        """Return the claims in a signed answer (RFC 9701 section 5). An access token has another ``typ``."""
        if answer.reveal().count(".") != 2:
            raise self._wrong("is encrypted: turn that off for this client (introspection_encrypted_response_alg)")
        read = await self.reader.read_signed(answer)
        if isinstance(read, Refused):
            raise self._wrong(
                f"is signed, and the signature is refused: {read.reason}; set introspection_signed_response_alg of "
                "this client to RS256 or ES256, or turn signing off"
            )
        claims, client_id = read.claims, self.settings.client_id
        if read.kind != _SIGNED:
            raise self._wrong(f"has the typ {quoted(read.kind)}, not {_SIGNED}")
        if claims.get("iss") != self.settings.issuer:
            raise self._wrong(f"is of the issuer {quoted(claims.get('iss'))}, not {self.settings.issuer}")
        if client_id not in listed(claims.get("aud")):
            raise self._wrong(f"is for {quoted(claims.get('aud'))}, not for the client {client_id}")
        inner = claims.get("token_introspection")
        if not isinstance(inner, dict):
            raise self._wrong(f"has no token_introspection: it is {kind_of(inner)}")
        return inner

    def _wrong(self, problem: str) -> ProviderWrong:
        return ProviderWrong(f"provider {self.settings.name}: the answer of introspection {problem}")
