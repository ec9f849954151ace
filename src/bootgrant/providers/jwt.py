"""JSON Web Tokens of a provider: signature, times, audience and client (RFC 7519, RFC 9068, OpenID Connect Core)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

from bootgrant.ports.providers import TokenRefusal
from bootgrant.ports.time import Clock
from bootgrant.providers.arrived import cleaned, kind_of, names_of, quoted, span
from bootgrant.providers.discovery import UNKNOWN_KEY_PAUSE, Discovery
from bootgrant.providers.settings import ALGORITHMS
from bootgrant.wire.secret import Secret
from bootgrant.wire.unverified_jwt import read_unverified

LEEWAY: Final = 60.0
"""Seconds by which the provider's clock may differ, unless a setting says otherwise."""

ID_TOKEN_TYPES: Final = frozenset({"jwt", ""})
"""What ``typ`` may be in an ID token, in lower case."""

_MOST_BYTES: Final = 128 * 1024
_MILLISECONDS: Final = 1e11
"""A NumericDate of the year 5138, or a time of 1973 or later in milliseconds."""
_SHARED_SECRETS: Final = frozenset({"HS256", "HS384", "HS512"})


class _Registry(JWSRegistry):
    """Ignores header members that it does not know, as RFC 7515 section 4 demands: joserfc refuses them by default.

    A header may hold a chain of certificates (``x5c``), and a signature be that of the longest RSA key.
    """

    default_header_registry = {"alg": JWSRegistry.default_header_registry["alg"]}  # noqa: RUF012  (joserfc's own way)
    max_header_length = 32 * 1024
    max_payload_length = _MOST_BYTES
    max_signature_length = 4096


@dataclass(frozen=True, slots=True)
class Refused:
    """A token that is not accepted: what the console shows, and the reason for the log."""

    shown: TokenRefusal
    reason: str


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token whose signature, issuer and times are right. ``kind`` is its ``typ`` in lower case, such as ``jwt``."""

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

        A key that is not known is looked for if the keys are at least ``key_pause`` seconds old.
        """
        signed = await self.read_signed(token, key_pause)
        return signed if isinstance(signed, Refused) else self._timely(signed)

    async def read_signed(self, token: Secret, key_pause: float = UNKNOWN_KEY_PAUSE) -> SignedToken | Refused:
        """Check the signature only, as ``read`` does. Raise ProviderUnavailable without keys."""
        read = read_unverified(token, _MOST_BYTES)
        if read is None:
            return _unreadable(token)
        header = read[0]
        named, algorithm = header.get("kid"), header.get("alg")
        key_id = named if isinstance(named, str) and named else None
        if (problem := _critical(header)) is not None:
            return problem
        if not isinstance(algorithm, str) or algorithm not in self._algorithms:
            return self._other_algorithm(algorithm)
        keys = await self._discovery.keys(key_id, key_pause)
        decoded = _decode(token, keys.candidates(key_id, algorithm), algorithm)
        if decoded is None:
            # The provider may not name its keys, or may have reused a name for a new key.
            keys = await self._discovery.newer_keys(key_id, key_pause)
            decoded = _decode(token, keys.candidates(key_id, algorithm), algorithm)
        if decoded is not None:
            # RFC 7515 section 4.1.9: without a slash, "application/" is meant.
            kind = str(decoded.header.get("typ") or "").lower().removeprefix("application/")
            return SignedToken(kind, decoded.claims)
        if not keys.candidates(key_id, algorithm):
            return invalid(f"it is not signed by a key of the provider: {keys.why_none(key_id, algorithm)}")
        return invalid(f"it is damaged, or not signed by a key of the provider (kid {quoted(named)})")

    def _other_algorithm(self, algorithm: object) -> Refused:
        allowed = ", ".join(self._algorithms)
        secret = " (a shared secret is never accepted)" if algorithm in _SHARED_SECRETS else ""
        return invalid(
            f"its algorithm {quoted(algorithm)} is not one of {allowed}{secret}: "
            "set the signature algorithm of the client at the provider to one of these"
        )

    def _timely(self, token: SignedToken) -> SignedToken | Refused:
        claims = token.claims
        if claims.get("iss") != self._discovery.issuer:
            return invalid(
                f"its issuer is {quoted(claims.get('iss'))}, not {quoted(self._discovery.issuer)}: it must be the "
                "one in the provider's metadata; configure the provider with its public address"
            )
        if (problem := _odd_times(claims)) is not None:
            return problem
        expires, begins, issued = (moment(claims.get(name, 0)) for name in ("exp", "nbf", "iat"))
        return untimely(expires, max(begins or 0, issued or 0), self._clock.now(), self._leeway) or token


def _decode(token: Secret, candidates: Sequence[Key], algorithm: str) -> jwt.Token | None:
    """Verify with each key that may have signed the token. One that fails in use does not stop the others."""
    registry = _Registry(algorithms=[algorithm], strict_check_header=False)
    for key in candidates:
        try:
            with warnings.catch_warnings():
                # Of the name EdDSA, which RFC 9864 replaces and providers still use.
                warnings.simplefilter("ignore", SecurityWarning)
                return jwt.decode(token.reveal(), key, registry=registry)
        except (JoseError, UnsupportedAlgorithm, InternalError, ValueError, KeyError, TypeError, RecursionError):
            continue
    return None


def _unreadable(token: Secret) -> Refused:
    if len(token.reveal()) > _MOST_BYTES:
        return invalid(f"it is larger than {_MOST_BYTES >> 10} KiB: configure the provider to send fewer claims")
    if token.reveal().count(".") == 4:
        return Refused(TokenRefusal.UNKNOWN, "it is encrypted (JWE): turn encryption off for this client")
    return Refused(TokenRefusal.UNKNOWN, "it is not a JWT")


def _odd_times(claims: Mapping[str, Any]) -> Refused | None:
    """Return a refusal for times that are not NumericDates (RFC 7519 section 2), or a token that never expires."""
    if "exp" not in claims:
        return invalid(f"exp is missing: it would never expire. Its claims are {names_of(claims)}")
    for name in ("exp", "nbf", "iat"):
        if moment(claims.get(name, 0)) is None:
            value = claims[name]
            kind = kind_of(value)
            what = "a number beyond any time" if kind == "a number" else kind
            return invalid(f"{name} is {what}, not seconds since 1970")
        if name != "exp" and (moment(claims.get(name, 0)) or 0) > _MILLISECONDS:
            return invalid(f"{name} seems to be milliseconds: the provider must send seconds since 1970 (RFC 7519)")
    return None


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
        f"crit in its header demands '{cleaned(', '.join(names), 100)}', which bootgrant does not know: "
        "configure the provider to sign without it"
    )


def invalid(reason: str) -> Refused:
    """Refuse a token for a reason that the console has no room for."""
    return Refused(TokenRefusal.INVALID, reason)


def untimely(expires: float | None, begins: float | None, now: float, leeway: float) -> Refused | None:
    """Return a refusal if the token has expired or is not valid yet. All in seconds; None for a time not given."""
    if expires is not None and expires + leeway <= now:
        ago = span(now - expires)
        return Refused(TokenRefusal.EXPIRED, f"it expired {ago} ago ({span(leeway)} are allowed); compare the clocks")
    if begins is not None and begins > now + leeway:
        ahead = span(begins - now)
        return Refused(
            TokenRefusal.EARLY, f"it is valid only in {ahead} ({span(leeway)} are allowed); compare the clocks"
        )
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
