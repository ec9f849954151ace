"""A token that is a JWT: signature, times and audience checked here, with the provider's keys (RFC 7519, RFC 9068)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError

from bootgrant.ports.clock import Clock
from bootgrant.ports.token_verifier import TokenRefusal
from bootgrant.providers.documents import Documents
from bootgrant.providers.settings import ProviderSettings
from bootgrant.wire.secret import Secret

_MOST: Final = 16 * 1024
_ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt", ""})
_ID_TOKEN_TYPES: Final = frozenset({"jwt", ""})
_ONLY_IN_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash")


def read_unverified(token: Secret) -> tuple[Mapping[str, Any], Mapping[str, Any]] | None:
    """Header and claims of something that looks like a JWT, believed by nobody; None for anything else."""
    parts = token.reveal().split(".")
    if len(parts) != 3 or len(token.reveal()) > _MOST:
        return None
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, RecursionError):
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


class JwtCheck:
    def __init__(self, settings: ProviderSettings, documents: Documents, clock: Clock) -> None:
        self._settings = settings
        self._documents = documents
        self._clock = clock

    async def check(self, token: Secret) -> Mapping[str, Any] | TokenRefusal:
        """The claims of a good token. Raises ProviderUnavailable when there are no keys."""
        read = read_unverified(token)
        if read is None:
            return TokenRefusal.UNKNOWN
        key_id = read[0].get("kid")
        if read[0].get("alg") not in self._settings.algorithms:
            return TokenRefusal.INVALID
        keys = await self._documents.keys(key_id if isinstance(key_id, str) else None)
        try:
            decoded = jwt.decode(token.reveal(), keys, algorithms=list(self._settings.algorithms))
        except BadSignatureError:
            return TokenRefusal.INVALID
        except (JoseError, ValueError, KeyError, TypeError):
            return TokenRefusal.INVALID
        return self._claims(decoded.header, decoded.claims)

    def _claims(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any] | TokenRefusal:
        settings, now = self._settings, self._clock.now()
        if claims.get("iss") != settings.issuer:
            return TokenRefusal.INVALID
        times = [claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)]
        if not all(isinstance(at, (int, float)) and not isinstance(at, bool) for at in times):
            return TokenRefusal.INVALID
        ends, begins, issued = (float(at or 0) for at in times)
        if ends + settings.leeway <= now:
            return TokenRefusal.EXPIRED
        if max(begins, issued) > now + settings.leeway:
            return TokenRefusal.EARLY
        kind = str(header.get("typ", "")).lower()
        if _is_id_token(kind, claims):
            return self._id_token(kind, claims)
        if kind not in _ACCESS_TOKEN_TYPES:
            return TokenRefusal.INVALID
        return meant_for_us(settings, claims) or claims

    def _id_token(self, kind: str, claims: Mapping[str, Any]) -> Mapping[str, Any] | TokenRefusal:
        """OpenID Connect Core section 3.1.3.7: the audience is one of our clients, and so is ``azp``."""
        settings = self._settings
        if not settings.id_token or kind not in _ID_TOKEN_TYPES:
            return TokenRefusal.INVALID
        if not set(listed(claims.get("aud"))) & set(settings.client_ids):
            return TokenRefusal.CLIENT
        if "azp" in claims and claims["azp"] not in settings.client_ids:
            return TokenRefusal.CLIENT
        return claims


def _is_id_token(kind: str, claims: Mapping[str, Any]) -> bool:
    """Whether it is an ID token. Providers mark access tokens (``at+jwt``, a scope) or ID tokens, not always both."""
    if kind.endswith("at+jwt") or claims.get("typ") == "Bearer":
        return False
    if claims.get("typ") == "ID" or any(name in claims for name in _ONLY_IN_ID_TOKENS):
        return True
    return not ("scope" in claims or "scp" in claims or "client_id" in claims)


def meant_for_us(settings: ProviderSettings, claims: Mapping[str, Any]) -> TokenRefusal | None:
    """Why an access token was given out for something else; None when it was for us."""
    if settings.audiences and not set(listed(claims.get("aud"))) & set(settings.audiences):
        return TokenRefusal.AUDIENCE
    client = next((claims[name] for name in ("client_id", "azp", "appid", "cid") if name in claims), None)
    if settings.client_ids and client not in settings.client_ids:
        return TokenRefusal.CLIENT
    scopes = {scope for name in ("scope", "scp") for text in listed(claims.get(name)) for scope in text.split()}
    return None if set(settings.scopes) <= scopes else TokenRefusal.SCOPE


def listed(value: object) -> list[str]:
    """A claim that is a text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
