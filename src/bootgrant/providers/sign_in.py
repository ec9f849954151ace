"""People sign in at an OpenID provider: authorization code flow with PKCE.

OpenID Connect Core sections 3.1.2 and 3.1.3, RP-Initiated Logout section 2, RFC 7636, RFC 9207.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from bootgrant.approval.claims import Claims, values_of
from bootgrant.ports.providers import ProviderPerson, ProviderUnavailable, ProviderWrong, Request
from bootgrant.ports.time import Clock
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.discovery import Discovery
from bootgrant.providers.jwt import ID_TOKEN_TYPES, JwtReader, Refused, is_for_client, listed, moment
from bootgrant.providers.settings import SignInProvider
from bootgrant.wire.secret import Secret

_TIMEOUT: Final = 10.0
_DOCUMENTS_KEPT: Final = 600.0
"""Seconds. A provider that is down cannot sign anybody in, so older documents are of no use."""
_SUBJECT_LENGTH: Final = 255


class OidcProvider:
    """Implements ports.providers.IdentityProvider."""

    def __init__(self, settings: SignInProvider, clock: Clock) -> None:
        self.provider_id, self.label, self.rules = settings.provider_id, settings.label, settings.rules
        self._settings = settings
        self._client = ProviderClient(settings.provider_id, clock, _TIMEOUT)
        self._discovery = Discovery(
            self._client, settings.issuer, clock, kept=_DOCUMENTS_KEPT, advice="check the issuer in [[oidc]]"
        )
        self._reader = JwtReader(self._discovery, clock)

    async def ask(self, request: Request) -> str:
        digest = hashlib.sha256(request.verifier.reveal().encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(self._settings.scopes),
            "state": request.state,
            "nonce": request.nonce,
            "code_challenge": urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if request.again:
            query |= {"prompt": "login", "max_age": "0"}
        return _with_query(await self._discovery.endpoint("authorization_endpoint"), query)

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        metadata = await self._discovery.metadata()
        must_name_issuer = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer or must_name_issuer) and issuer != self._settings.issuer:
            raise self._wrong(f"the answer names the issuer {issuer!r}, not {self._settings.issuer}")
        tokens = await self._exchange(request, code)
        id_token = tokens.get("id_token")
        if not isinstance(id_token, str):
            raise self._wrong("the answer has no ID token; scopes in [[oidc]] must include openid")
        claims = await self._checked(Secret(id_token), request.nonce)
        claims = await self._with_userinfo(claims, tokens.get("access_token"))
        return ProviderPerson(
            self._settings.issuer,
            str(claims["sub"]),
            claims,
            Secret(id_token),
            moment(claims.get("auth_time")),
            session_id=str(claims.get("sid") or ""),
        )

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        if not (await self._discovery.metadata()).get("end_session_endpoint"):
            return None
        hint = {"id_token_hint": id_token.reveal()} if id_token else {}
        query = {**hint, "client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        return _with_query(await self._discovery.endpoint("end_session_endpoint"), query)

    async def _exchange(self, request: Request, code: str) -> Mapping[str, Any]:
        """Exchange the code for tokens (RFC 6749 section 4.1.3)."""
        settings, secret = self._settings, self._settings.secret
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier.reveal(),
        }
        # Providers that say nothing take Basic (OpenID Connect Discovery section 3).
        metadata = await self._discovery.metadata()
        methods = listed(metadata.get("token_endpoint_auth_methods_supported"))
        in_form = "client_secret_post" in methods and "client_secret_basic" not in methods
        if secret is None:
            form["client_id"] = settings.client_id
        elif in_form:
            form |= {"client_id": settings.client_id, "client_secret": secret.reveal()}
        basic = (settings.client_id, secret) if secret and not in_form else None
        answer = await self._client.post(await self._discovery.endpoint("token_endpoint"), form, basic)
        if answer.status != 200:
            error = str(answer.members.get("error", f"status {answer.status}"))
            raise self._wrong(f"the token endpoint refuses the code: {error[:200]!a}")
        return answer.members

    async def _checked(self, id_token: Secret, nonce: str) -> Claims:
        """Return the claims of an ID token (OpenID Connect Core section 3.1.3.7)."""
        # It comes from the provider itself, and once for each sign-in: a new key is fetched at once.
        token = await self._reader.read(id_token, key_pause=0.0)
        if isinstance(token, Refused):
            raise self._wrong(f"the ID token is refused: {token.reason[:300]}")
        claims, subject = token.claims, token.claims.get("sub")
        if token.kind not in ID_TOKEN_TYPES:
            raise self._wrong(f"the ID token has the typ {token.kind[:100]!a}, which is not that of an ID token")
        if "iat" not in claims:
            raise self._wrong("the ID token has no iat")
        if claims.get("nonce") != nonce:
            raise self._wrong("the ID token belongs to another sign-in (nonce)")
        if not is_for_client(claims, (self._settings.client_id,)):
            raise self._wrong(f"the ID token is not for the client {self._settings.client_id} (aud, azp)")
        if not isinstance(subject, str) or not 0 < len(subject) <= _SUBJECT_LENGTH:
            raise self._wrong(f"the ID token has no sub of 1 to {_SUBJECT_LENGTH} characters")
        return claims

    async def _with_userinfo(self, claims: Claims, access_token: object) -> Claims:
        """Add the claims of the userinfo endpoint if a rule needs one that the ID token lacks."""
        is_complete = all(values_of(claims, rule.claim) for rule in self.rules)
        if is_complete or not (await self._discovery.metadata()).get("userinfo_endpoint"):
            return claims
        url = await self._discovery.endpoint("userinfo_endpoint")
        answer = await self._client.get(url, Secret(access_token) if isinstance(access_token, str) else None)
        if answer.status != 200:
            raise ProviderUnavailable(f"provider {self.provider_id} answers {answer.status} at {url}")
        if answer.members.get("sub") != claims["sub"]:
            raise self._wrong("the userinfo endpoint describes another person (sub)")
        return {**answer.members, **claims}

    def _wrong(self, problem: str) -> ProviderWrong:
        return ProviderWrong(f"provider {self.provider_id}: {problem}")


def _with_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}"
