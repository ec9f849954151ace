"""A token that is a JWT: signature, times and audience checked here, with the provider's keys (RFC 7519, RFC 9068)."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bootgrant.ports.providers import TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.documents import Documents
from bootgrant.providers.settings import ProviderSettings
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

log = logging.getLogger("bootgrant.providers")

_ACCESS_TOKEN_TYPES: Final = frozenset({"at+jwt", "application/at+jwt", "jwt", ""})
_ID_TOKEN_TYPES: Final = frozenset({"jwt", ""})
_ONLY_IN_ID_TOKENS: Final = ("nonce", "at_hash", "c_hash")


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
        if (algorithm := read[0].get("alg")) not in self._settings.algorithms:
            return self._invalid("its algorithm %s is none of %s", algorithm, ", ".join(self._settings.algorithms))
        keys = await self._documents.keys(key_id if isinstance(key_id, str) else None)
        decoded = self._decoded(token, keys, key_id)
        if decoded is None:
            # A provider that names no keys, or gives a new one an old name.
            decoded = self._decoded(token, await self._documents.keys_anew(key_id), key_id)
        if decoded is None:
            return self._invalid("its signature is by none of the provider's keys (kid %s), or it is damaged", key_id)
        return self._claims(decoded.header, decoded.claims)

    def _decoded(self, token: Secret, keys: KeySet, key_id: object) -> jwt.Token | None:
        """The token when one of the keys signed it: the one that it names, or any when it names none."""
        for key in [keys] if key_id is not None else keys.keys:
            with contextlib.suppress(JoseError, ValueError, KeyError, TypeError):
                return jwt.decode(token.reveal(), key, algorithms=list(self._settings.algorithms))
        return None

    def _claims(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any] | TokenRefusal:
        settings, now = self._settings, self._clock.now()
        if claims.get("iss") != settings.issuer:
            return self._invalid("its issuer is %s", claims.get("iss"))
        ends, begins, issued = moment(claims.get("exp")), moment(claims.get("nbf", 0)), moment(claims.get("iat", 0))
        if ends is None or begins is None or issued is None:
            return self._invalid("exp, nbf and iat must be numbers, and exp be there")
        if ends + settings.leeway <= now:
            return TokenRefusal.EXPIRED
        if max(begins, issued) > now + settings.leeway:
            return TokenRefusal.EARLY
        kind = str(header.get("typ", "")).lower()
        if _is_id_token(kind, claims):
            return self._id_token(kind, claims)
        if kind not in _ACCESS_TOKEN_TYPES:
            return self._invalid("its typ %s is not that of an access token", kind)
        return meant_for_us(settings, claims) or claims

    def _id_token(self, kind: str, claims: Mapping[str, Any]) -> Mapping[str, Any] | TokenRefusal:
        """OpenID Connect Core section 3.1.3.7: the audience is one of our clients, and so is ``azp``."""
        settings = self._settings
        if not settings.id_token:
            return self._invalid("it looks like an ID token (no scope, no client), and id_token is not set")
        if kind not in _ID_TOKEN_TYPES:
            return self._invalid("its typ %s is not that of an ID token", kind)
        audiences, ours = set(listed(claims.get("aud"))), set(settings.client_ids)
        # One that is also for others may have been given out to them: then it must say that it was not.
        meant = claims["azp"] in ours if "azp" in claims else audiences <= ours
        return claims if meant and audiences & ours else TokenRefusal.CLIENT

    def _invalid(self, why: str, *shown: object) -> TokenRefusal:
        """What the console has no room for. What the token says is shown as text, and not all of it."""
        told = why % tuple(map(ascii, shown))
        log.info("provider %s: a token is not accepted: %.300s", self._settings.name, told)
        return TokenRefusal.INVALID


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


def moment(value: object) -> float | None:
    """A NumericDate (RFC 7519 section 2); None for what is no point in time, as JSON's NaN and endless numbers."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def listed(value: object) -> list[str]:
    """A claim that is a text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
