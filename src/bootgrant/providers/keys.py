"""A provider's set of keys (RFC 7517), read key by key: one that cannot be used never spoils the others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import JWKRegistry, Key, RSAKey

from bootgrant.providers.arrived import cleaned, kind_of, quoted

LEAST_RSA_BITS: Final = 2048
"""RFC 7518 sections 3.3 and 3.5: "A key of size 2048 bits or larger MUST be used"."""
_MOST_RSA_BITS: Final = 16384
"""OpenSSL verifies with no longer key."""
_MEMBERS: Final = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}
"""The public members of a key of each kind (RFC 7518 section 6, RFC 8037 section 2)."""
_RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_CURVE_ALGORITHMS: Final = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),
    ("OKP", "Ed448"): frozenset({"EdDSA"}),
}
_EDDSA: Final = frozenset({"EdDSA", "Ed25519"})
"""Two names of one algorithm (RFC 9864)."""
_MOST_NAMED: Final = 50


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies signatures of ``algorithms``. ``key_id`` is None for a key without a name."""

    key_id: str | None
    algorithms: frozenset[str]
    key: Key


@dataclass(frozen=True, slots=True)
class IgnoredKey:
    """A key that is not used (RFC 7517 section 5), and why. ``is_for_signatures`` is False for one of another use."""

    key_id: str | None
    reason: str
    is_for_signatures: bool = True

    def __str__(self) -> str:
        return f"{quoted(self.key_id) if self.key_id else 'a key without kid'}: {self.reason}"


@dataclass(frozen=True, slots=True)
class KeyList:
    """The keys of a provider, as they were fetched last."""

    usable: tuple[PublicKey, ...]
    ignored: tuple[IgnoredKey, ...]

    def knows(self, key_id: str | None) -> bool:
        """Return whether a token that names this key can be checked, or refused, without fetching the keys again."""
        return key_id is None or self.names(key_id) or any(key.key_id is None for key in self.usable)

    def names(self, key_id: str) -> bool:
        """Return whether a key has this id."""
        return key_id in {*(key.key_id for key in self.usable), *(key.key_id for key in self.ignored)}

    def candidates(self, key_id: str | None, algorithm: str) -> list[Key]:
        """Return every key that may have signed a token: ids may be shared by several keys, or be missing."""
        return [
            key.key
            for key in self.usable
            if algorithm in key.algorithms and (key_id is None or key.key_id in (None, key_id))
        ]

    def why_none(self, key_id: str | None, algorithm: str) -> str:
        """Return why no key is a candidate for a token that names ``key_id``."""
        named = [key for key in self.usable if key_id is None or key.key_id in (None, key_id)]
        if named:
            others = ", ".join(sorted({name for key in named for name in key.algorithms}))
            which = f"key {quoted(key_id)} is" if key_id else "keys are"
            return f"its algorithm is {algorithm}, and the provider's {which} for {others}"
        if ignored := next((key for key in self.ignored if key.key_id == key_id), None):
            return f"its key {quoted(key_id)} is not used: {ignored.reason}"
        known = [quoted(key.key_id) for key in self.usable]  # each has an id: see ``candidates``
        return f"the provider has no key {quoted(key_id)}, only {_listed(known)}"


def read_keys(found: Sequence[object]) -> KeyList:
    """Return the keys of a JWK set, each usable or ignored for a reason."""
    usable, ignored = [], []
    for members in found:
        read = _read_key(members)
        if isinstance(read, PublicKey):
            usable.append(read)
        else:
            ignored.append(read)
    return KeyList(tuple(usable), tuple(ignored))


def in_words(ignored: Sequence[IgnoredKey]) -> str:
    """Return each ignored key with its reason, for a message."""
    return _listed([str(key) for key in ignored], "; ")


def _listed(texts: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return f"{between.join(texts[:_MOST_NAMED])}{more}"


def _read_key(members: object) -> PublicKey | IgnoredKey:
    if not isinstance(members, dict):
        return IgnoredKey(None, f"it is {kind_of(members)}, not an object")
    named = members.get("kid")
    key_id = named if isinstance(named, str) and named else None
    if (purpose := _other_purpose(members)) is not None:
        return IgnoredKey(key_id, purpose, is_for_signatures=False)
    algorithms = _algorithms(members)
    key = _public(members) if isinstance(algorithms, frozenset) else algorithms
    if isinstance(key, str) or isinstance(algorithms, str):
        return IgnoredKey(key_id, cleaned(key))
    return PublicKey(key_id, algorithms, key)


def _other_purpose(members: Mapping[str, Any]) -> str | None:
    """Return a text if the key is for something else than verifying (RFC 7517 sections 4.2 and 4.3)."""
    use, operations = members.get("use"), members.get("key_ops")
    if use is not None and use != "sig":
        return f"its use is {quoted(use)}, not 'sig'"
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        return f"its key_ops are {quoted(operations)}, without 'verify'"
    return None


def _algorithms(members: Mapping[str, Any]) -> frozenset[str] | str:
    """Return the algorithms that the key is for, or why there are none."""
    kind, curve, named = members.get("kty"), members.get("crv"), members.get("alg")
    if kind == "oct":
        return "it is a shared secret (kty 'oct'), and only public keys are used"
    if kind not in ("RSA", "EC", "OKP"):
        return f"its kty is {quoted(kind)}, not RSA, EC or OKP"
    possible = _RSA_ALGORITHMS
    if kind != "RSA":
        possible = _CURVE_ALGORITHMS.get((kind, curve), frozenset()) if isinstance(curve, str) else frozenset()
    if not possible:
        curves = [name for of, name in _CURVE_ALGORITHMS if of == kind]
        return f"its crv is {quoted(curve)}, not {', '.join(curves)}"
    if named is None:
        return possible
    wanted = _EDDSA if named in ("EdDSA", "Ed25519") else {named} if isinstance(named, str) else set()
    return possible & wanted or f"its alg is {quoted(named)}, not {', '.join(sorted(possible))}"


def _public(members: Mapping[str, Any]) -> Key | str:
    """Return the public key, or why it cannot be read. Every other member is left out, private ones too."""
    kind = str(members["kty"])
    missing = [name for name in _MEMBERS[kind] if not isinstance(members.get(name), str) or not members[name]]
    if missing:
        certificate = ", only a certificate (x5c)" if "x5c" in members else ""
        return f"it has no {' and no '.join(missing)}{certificate}"
    public = {name: members[name] for name in ("kty", *_MEMBERS[kind])}
    try:
        with warnings.catch_warnings():
            # Of short RSA keys, which are ignored below.
            warnings.simplefilter("ignore", SecurityWarning)
            key = JWKRegistry.import_key(public)
    except (JoseError, UnsupportedAlgorithm, ValueError, KeyError, TypeError, ArithmeticError) as error:
        return f"it cannot be read ({type(error).__name__}: {cleaned(str(error), 120)})"
    if isinstance(key, RSAKey) and not LEAST_RSA_BITS <= (bits := key.public_key.key_size) <= _MOST_RSA_BITS:
        needed = f"the provider must sign with at least {LEAST_RSA_BITS}" if bits < LEAST_RSA_BITS else "too many"
        return f"it is an RSA key of {bits} bits: {needed}"
    return key
