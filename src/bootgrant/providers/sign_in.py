"""An OpenID provider over the network: authorization code with PKCE, through Authlib and joserfc.

OpenID Connect Core sections 3.1.2 and 3.1.3, Discovery section 4, RP-Initiated Logout section 2, RFC 7636, RFC 9207.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote_plus, urlencode, urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bootgrant.approval.claims import Claims, RoleRule, values_of
from bootgrant.ports.providers import ProviderDown, ProviderPerson, ProviderSettings, ProviderWrong, Request
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_TIME_LIMIT: Final = 10.0
_LEEWAY: Final = 60
"""Seconds that the clocks of the provider and of this server may differ."""

_KNOWN_FOR: Final = 3600.0
"""Seconds that what the provider says of itself is believed."""

_ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
"""Signatures by a key that the provider alone has; never "none", never one made with the client's secret."""

_SUBJECT_LENGTH: Final = 255
_ENCODED_BASIC: Final = "client_secret_basic encoded"
Json = Mapping[str, Any]


@dataclass(slots=True)
class _Known:
    """What the provider said of itself, and until when (a steady clock) that is believed."""

    metadata: Json = field(default_factory=dict)
    keys: KeySet | None = None
    until: float = 0.0


class OidcProvider:
    """ports.providers.IdentityProvider. ``now`` is Unix time, ``steady`` never jumps; both in seconds."""

    def __init__(self, settings: ProviderSettings, now: Callable[[], float], steady: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self._steady = steady
        self._known = _Known()
        self._trusted = client_context()

    @property
    def provider_id(self) -> str:
        return self._settings.provider_id

    @property
    def label(self) -> str:
        return self._settings.label

    @property
    def rules(self) -> tuple[RoleRule, ...]:
        return self._settings.rules

    async def ask(self, request: Request) -> str:
        metadata = await self._metadata()
        anew = {"prompt": "login", "max_age": "0"} if request.again else {}
        async with self._client(metadata, request.redirect_uri) as client:
            url, _ = client.create_authorization_url(
                _endpoint(metadata, "authorization_endpoint"),
                state=request.state,
                nonce=request.nonce,
                code_verifier=request.verifier.reveal(),
                **anew,
            )
        return str(url)

    async def person(self, request: Request, code: str, issuer: str) -> ProviderPerson:
        metadata = await self._metadata()
        tells_issuer = metadata.get("authorization_response_iss_parameter_supported") is True
        if (issuer or tells_issuer) and issuer != self._settings.issuer:
            raise ProviderWrong(f"the answer is of the issuer {issuer!r}, not of {self._settings.issuer}")
        async with self._client(metadata, request.redirect_uri) as client:
            try:
                token = await client.fetch_token(
                    _endpoint(metadata, "token_endpoint"),
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=request.verifier.reveal(),
                )
            except OAuthError as error:
                raise ProviderWrong(f"the token endpoint refuses: {error.error}") from None
            except httpx2.HTTPError as error:
                raise _down(error) from error
            except ValueError as error:
                raise ProviderWrong(f"the token endpoint answers no JSON: {error}") from None
            id_token = token.get("id_token")
            if not isinstance(id_token, str):
                raise ProviderWrong("there is no ID token in the answer: does scopes have openid?")
            claims = await self._checked(metadata, id_token, request)
            claims = await self._with_userinfo(metadata, client, claims)
        when = claims.get("auth_time")
        return ProviderPerson(
            self._settings.issuer,
            str(claims["sub"]),
            claims,
            Secret(id_token),
            float(when) if isinstance(when, (int, float)) else None,
        )

    async def sign_out_url(self, id_token: Secret | None, back: str) -> str | None:
        metadata = await self._metadata()
        if not metadata.get("end_session_endpoint"):
            return None
        hint = {"id_token_hint": id_token.reveal()} if id_token else {}
        query = {**hint, "client_id": self._settings.client_id, "post_logout_redirect_uri": back}
        endpoint = _endpoint(metadata, "end_session_endpoint")
        return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(query)}"

    def _client(self, metadata: Json, redirect_uri: str) -> Any:
        """Authlib has no types."""
        secret = self._settings.secret
        client = AsyncOAuth2Client(
            self._settings.client_id,
            secret.reveal() if secret else None,
            token_endpoint_auth_method=_way_in(metadata) if secret else "none",
            scope=" ".join(self._settings.scopes),
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=_TIME_LIMIT,
            verify=self._trusted,
        )
        client.register_client_auth_method((_ENCODED_BASIC, _encoded_basic))
        return client

    async def _checked(self, metadata: Json, id_token: str, request: Request) -> Claims:
        """The claims of an ID token (OpenID Connect Core section 3.1.3.7)."""
        try:
            claims = await self._signed(metadata, id_token)
            jwt.JWTClaimsRegistry(
                now=round(self._now()),
                leeway=_LEEWAY,
                iss={"essential": True, "value": self._settings.issuer},
                aud={"essential": True, "value": self._settings.client_id},
                sub={"essential": True},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": request.nonce},
            ).validate(claims)
        except (JoseError, ValueError) as error:
            raise ProviderWrong(f"the ID token is refused: {error}") from None
        if claims.get("azp", self._settings.client_id) != self._settings.client_id:
            raise ProviderWrong("the ID token is for another client (azp)")
        if not 0 < len(claims["sub"]) <= _SUBJECT_LENGTH:
            raise ProviderWrong("the ID token names nobody (sub)")
        return claims

    async def _signed(self, metadata: Json, id_token: str) -> dict[str, Any]:
        """Keys that are not known yet are looked for once: providers change them."""
        known = self._known.keys
        keys = known or await self._fetch_keys(metadata)
        try:
            return jwt.decode(id_token, keys, algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError):
            if known is None:
                raise
        return jwt.decode(id_token, await self._fetch_keys(metadata), algorithms=_ALGORITHMS).claims

    async def _with_userinfo(self, metadata: Json, client: Any, claims: Claims) -> Claims:
        """The claims, and those of the userinfo endpoint when one that a rule needs is not in the ID token."""
        missing = any(not values_of(claims, rule.claim) for rule in self.rules)
        if not missing or not metadata.get("userinfo_endpoint"):
            return claims
        try:
            answer = await client.get(_endpoint(metadata, "userinfo_endpoint"))
            told = answer.raise_for_status().json()
        except (httpx2.HTTPError, ValueError) as error:
            raise _down(error) from error
        if not isinstance(told, dict) or told.get("sub") != claims["sub"]:
            raise ProviderWrong("the userinfo endpoint tells of somebody else (sub)")
        return {**told, **claims}

    async def _metadata(self) -> Json:
        if self._steady() < self._known.until:
            return self._known.metadata
        metadata = await self._fetch(f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if metadata.get("issuer") != self._settings.issuer:
            raise ProviderWrong(
                f"it calls itself {metadata.get('issuer')!r}: write that as the issuer of [[oidc]] "
                f"{self.provider_id}, if it is right"
            )
        self._known = _Known(metadata, None, self._steady() + _KNOWN_FOR)
        return metadata

    async def _fetch_keys(self, metadata: Json) -> KeySet:
        told = await self._fetch(_endpoint(metadata, "jwks_uri"))
        usable = [key for key in told.get("keys", ()) if isinstance(key, dict) and key.get("use", "sig") == "sig"]
        try:
            self._known.keys = KeySet.import_key_set({"keys": usable})
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderWrong(f"its keys cannot be read: {error}") from None
        return self._known.keys

    async def _fetch(self, url: str) -> Json:
        try:
            async with httpx2.AsyncClient(timeout=_TIME_LIMIT, verify=self._trusted) as client:
                answer = await client.get(url)
                told = answer.raise_for_status().json()
        except httpx2.HTTPError as error:
            raise _down(error) from error
        except ValueError as error:
            raise ProviderWrong(f"{url} answers no JSON: {error}") from None
        if not isinstance(told, dict):
            raise ProviderWrong(f"{url} answers no JSON object")
        return told


def _way_in(metadata: Json) -> str:
    """How the client shows its secret; Basic is what a provider takes that does not say (Discovery section 3)."""
    ways = metadata.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return (
        "client_secret_post" if "client_secret_post" in ways and "client_secret_basic" not in ways else _ENCODED_BASIC
    )


def _encoded_basic(client: Any, _method: str, uri: str, headers: Json, body: str) -> tuple[str, Json, str]:
    """Basic with name and secret encoded first (RFC 6749 section 2.3.1); Authlib's own leaves that out."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return uri, {**headers, "Authorization": f"Basic {b64encode(pair.encode()).decode()}"}, body


def _endpoint(metadata: Json, name: str) -> str:
    url = metadata.get(name)
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https"):
        raise ProviderWrong(f"it names no {name}")
    return url


def _down(error: Exception) -> ProviderDown:
    return ProviderDown(f"{type(error).__name__}: {error}")
