"""JSON Web Tokens of a provider: signature, times, audience and client (RFC 7519, RFC 9068, OpenID Connect Core)."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bootgrant.ports.providers import TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.discovery import LEAST_RSA_BITS, UNKNOWN_KEY_PAUSE, Discovery
from bootgrant.providers.settings import ALGORITHMS
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

LEEWAY: Final = 60.0
"""Seconds by which the provider's clock may differ, unless a setting says otherwise."""

ID_TOKEN_TYPES: Final = frozenset({"jwt", ""})
"""What ``typ`` may be in an ID token, in lower case."""

_MOST_BYTES: Final = 128 * 1024


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is not accepted: what the console shows, and the reason for the log."""

    shown: TokenRefusal
    reason: str


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose signature, issuer and times are right. ``kind`` is its ``typ`` in lower case."""

    kind: str
    claims: Mapping[str, Any]

    @property
    def is_id_token(self) -> bool:
        """Whether it may not be used as an access token. Providers mark the one kind or the other, not always both."""
        if self.kind.endswith("at+jwt") or self.claims.get("typ") == "Bearer":
            return False
        if self.claims.get("typ") == "ID" or any(name in self.claims for name in ("nonce", "at_hash", "c_hash")):
            return True
        return not any(name in self.claims for name in ("scope", "scp", "client_id"))


class JwtReader:
    """Reads the tokens that one issuer signed."""

    def __init__(
        self, discovery: Discovery, clock: Clock, algorithms: Sequence[str] = ALGORITHMS, leeway: float = LEEWAY
    ) -> None:
        self._discovery = discovery
        self._clock = clock
        self._algorithms = list(algorithms)
        self._leeway = leeway

    async def read(self, token: Secret, key_pause: float = UNKNOWN_KEY_PAUSE) -> SignedToken | Refused:
        """Check signature, issuer and times; not for whom the token is. Raise ProviderUnavailable without keys.

        For a token of an unknown key, keys are fetched that are at most ``key_pause`` seconds old.
        """
        read = read_unverified(token, _MOST_BYTES)
        if read is None:
            return Refused(TokenRefusal.UNKNOWN, "it is not a JWT")
        key_id, algorithm = read[0].get("kid"), read[0].get("alg")
        if (problem := _critical(read[0])) is not None:
            return problem
        if algorithm not in self._algorithms:
            return invalid(f"its algorithm {algorithm!a} is not one of {', '.join(self._algorithms)}")
        keys = await self._discovery.keys(key_id if isinstance(key_id, str) else None, key_pause)
        if isinstance(key_id, str) and (bits := self._discovery.weak_keys.get(key_id)):
            return invalid(
                f"its RSA key {key_id!a} has only {bits} bits: the provider must sign with at least {LEAST_RSA_BITS}"
            )
        decoded = self._decode(token, keys, key_id)
        if decoded is None:
            # The provider may not name its keys, or may have reused a name for a new key.
            decoded = self._decode(token, await self._discovery.newer_keys(key_id, key_pause), key_id)
        if decoded is None:
            return invalid(f"it is damaged, or not signed by a key of the provider (kid {key_id!a})")
        return self._timely(SignedToken(str(decoded.header.get("typ", "")).lower(), decoded.claims))

    def _decode(self, token: Secret, keys: KeySet, key_id: object) -> jwt.Token | None:
        """Verify with the key that the token names, or with each key if it names none."""
        for key in [keys] if key_id is not None else keys.keys:
            with contextlib.suppress(JoseError, ValueError, KeyError, TypeError):
                return jwt.decode(token.reveal(), key, algorithms=self._algorithms)
        return None

    def _timely(self, token: SignedToken) -> SignedToken | Refused:
        claims = token.claims
        if claims.get("iss") != self._discovery.issuer:
            return invalid(f"its issuer is {claims.get('iss')!a}, not {self._discovery.issuer}")
        expires, begins, issued = (moment(claims.get(name, 0)) for name in ("exp", "nbf", "iat"))
        if expires is None or begins is None or issued is None or "exp" not in claims:
            return invalid("exp is missing, or one of exp, nbf and iat is not a number")
        return untimely(expires, max(begins, issued), self._clock.now(), self._leeway) or token


def _critical(header: Mapping[str, Any]) -> Refused | None:
    """Return a refusal for a token whose header has ``crit``: this reader understands no extension.

    An empty list is not allowed at all (RFC 7515 section 4.1.11), and joserfc accepts it.
    """
    if "crit" not in header:
        return None
    names = header["crit"]
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        return invalid("crit in its header is not a list of names (RFC 7515): the provider must leave crit out")
    return invalid(
        f"crit in its header demands {', '.join(names)[:100]!a}, which bootgrant does not know: "
        "configure the provider to sign without it"
    )


def invalid(reason: str) -> Refused:
    """Refuse a token for a reason that the console has no room for."""
    return Refused(TokenRefusal.INVALID, reason)


def untimely(expires: float | None, begins: float | None, now: float, leeway: float) -> Refused | None:
    """Return a refusal if the token has expired or is not valid yet. All in seconds; None for a time not given."""
    if expires is not None and expires + leeway <= now:
        return Refused(TokenRefusal.EXPIRED, f"it expired {now - expires:.0f} s ago")
    if begins is not None and begins > now + leeway:
        return Refused(TokenRefusal.EARLY, f"it is valid only in {begins - now:.0f} s; compare the clocks")
    return None


def is_for_client(claims: Mapping[str, Any], client_ids: Sequence[str]) -> bool:
    """Return whether an ID token was issued to one of these clients (OpenID Connect Core section 3.1.3.7).

    A token that also names other audiences may have been issued to them, so it must name its client (``azp``).
    """
    audiences = set(listed(claims.get("aud")))
    issued_to_us = claims["azp"] in client_ids if "azp" in claims else audiences <= set(client_ids)
    return issued_to_us and not audiences.isdisjoint(client_ids)


def moment(value: object) -> float | None:
    """Return a NumericDate (RFC 7519 section 2), or None for anything else, such as JSON's NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None


def listed(value: object) -> list[str]:
    """Return the texts of a claim that is a text or a list of texts."""
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str)]
