"""A provider's metadata and keys: fetched when needed, cached, and fetched again when a token names an unknown key."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import KeySet, RSAKey

from bootgrant.ports.providers import ProviderUnavailable, ProviderWrong
from bootgrant.ports.time import Clock
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.settings import is_safe_url

log = logging.getLogger("bootgrant.providers")

_FRESH: Final = 600.0
UNKNOWN_KEY_PAUSE: Final = 60.0
_FAILED_PAUSE: Final = 2.0
"""Seconds: the age at which a document is fetched again, also for the sake of an unknown key, and after a failure."""
_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"
LEAST_RSA_BITS: Final = 2048
"""RFC 7518 sections 3.3 and 3.5: "A key of size 2048 bits or larger MUST be used"."""
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

T = TypeVar("T")


class _Cached(Generic[T]):
    """A document that one request fetches on behalf of all that wait for it.

    While it cannot be fetched, a copy that is at most ``kept`` seconds old is used.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock, kept: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept = kept
        self._copy: tuple[T, float] | None = None
        self._failure: tuple[ProviderUnavailable, float] | None = None
        self._lock = asyncio.Lock()

    async def get(self, fresh: float = _FRESH) -> T:
        """Return the document, at most ``fresh`` seconds old if the provider answers. Raise ProviderUnavailable."""
        fresh = min(fresh, self._kept)
        if self._copy is None or self._age() > fresh:
            async with self._lock:
                # Another request may have fetched it while this one waited.
                if self._copy is None or self._age() > fresh:
                    self._copy = await self._refreshed()
        return self._copy[0]

    async def _refreshed(self) -> tuple[T, float]:
        if self._failure is None or self._clock.steady() - self._failure[1] >= _FAILED_PAUSE:
            try:
                copy, self._failure = (await self._fetch(), self._clock.steady()), None
                return copy
            except ProviderUnavailable as error:
                self._failure = (error, self._clock.steady())
                if self._age() <= self._kept:
                    log.warning("%s; using the copy fetched %.0f s ago", error, self._age())
        if self._copy is None or self._age() > self._kept:
            raise self._failure[0]
        return self._copy

    @property
    def fetched_at(self) -> float:
        """The time of the last fetch on the steady clock."""
        return self._copy[1] if self._copy else float("-inf")

    def _age(self) -> float:
        return self._clock.steady() - self.fetched_at


class Discovery:
    """The metadata and keys of one issuer.

    ``kept`` is how many seconds the last documents are used while the provider is unreachable. ``jwks_url`` replaces
    the address in the metadata. ``advice`` ends the messages about metadata that is missing or incomplete.
    """

    def __init__(
        self, client: ProviderClient, issuer: str, clock: Clock, *, kept: float, advice: str, jwks_url: str = ""
    ) -> None:
        self.issuer = issuer
        self._client = client
        self._clock = clock
        self._advice = advice
        self._jwks_url = jwks_url
        self._metadata = _Cached(self._fetch_metadata, clock, kept)
        self._keys = _Cached(self._fetch_keys, clock, kept)
        self.weak_keys: Mapping[str, int] = {}
        """The bits of RSA keys that are too short to be used, by their ids, as they were fetched last."""

    async def metadata(self) -> Mapping[str, Any]:
        """Return the issuer's metadata (RFC 8414, OpenID Connect Discovery). Raise ProviderUnavailable."""
        return await self._metadata.get()

    async def endpoint(self, name: str, configured: str = "") -> str:
        """Return ``configured`` or, if it is empty, the URL ``name`` of the metadata. Raise ProviderUnavailable."""
        if configured:
            return configured
        url = (await self.metadata()).get(name)
        # Only a provider on this computer may point to another of its ports.
        if not isinstance(url, str) or not is_safe_url(url) or (_is_https(self.issuer) and not _is_https(url)):
            raise ProviderWrong(f"provider {self._client.name}: its metadata has no https {name}; {self._advice}")
        return url

    async def keys(self, key_id: str | None, pause: float = UNKNOWN_KEY_PAUSE) -> KeySet:
        """Return the keys, fetching them again (at most once in ``pause`` seconds) if none has this id.

        Raise ProviderUnavailable, also if the key could not be looked for now: the provider may have just begun to use
        it, so the caller must come again.
        """
        began = self._clock.steady()
        keys = await self._keys.get()
        if key_id is None or self._knows(keys, key_id):
            return keys
        keys = await self._keys.get(pause)
        if not self._knows(keys, key_id) and self._keys.fetched_at < began:
            raise self._too_soon()
        return keys

    async def newer_keys(self, key_id: object, pause: float = UNKNOWN_KEY_PAUSE) -> KeySet:
        """Return the keys, at most ``pause`` seconds old, for a token that none of the known keys signed.

        Raise ProviderUnavailable, also if they were not fetched now and the token names no key: it may be a new one.
        """
        began = self._clock.steady()
        keys = await self._keys.get(pause)
        if key_id is None and self._keys.fetched_at < began:
            raise self._too_soon()
        return keys

    def _knows(self, keys: KeySet, key_id: str) -> bool:
        return key_id in self.weak_keys or any(key.kid == key_id for key in keys.keys)

    def _too_soon(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"provider {self._client.name}: a token names an unknown key; keys are fetched at most once a minute"
        )

    async def _fetch_metadata(self) -> Mapping[str, Any]:
        for url in _metadata_urls(self.issuer):
            answer = await self._client.get(url)
            if answer.status != 200:
                continue
            named = answer.members.get("issuer")
            if named != self.issuer:
                raise ProviderWrong(
                    f"provider {self._client.name}: its metadata names another issuer, {str(named)[:200]!r}; "
                    "if that is right, set issuer to exactly that text"
                )
            return answer.members
        raise ProviderUnavailable(
            f"provider {self._client.name}: there is no metadata at {self.issuer}; {self._advice}"
        )

    async def _fetch_keys(self) -> KeySet:
        url = await self.endpoint("jwks_uri", self._jwks_url)
        answer = await self._client.get(url)
        found = answer.members.get("keys")
        if answer.status != 200 or not isinstance(found, list):
            raise ProviderUnavailable(f"provider {self._client.name}: no keys at {url} (status {answer.status})")
        keys = [key for key in map(_key, found) if key is not None]
        weak = [key for key in keys if _is_weak(key)]
        for key in weak:
            log.warning(
                "provider %s: the RSA key %a has only %d bits and is not used; it must have at least %d",
                self._client.name, key.kid or "", _bits(key), LEAST_RSA_BITS,
            )  # fmt: skip
        usable = [key for key in keys if not _is_weak(key)]
        if not usable and weak:
            raise ProviderWrong(
                f"provider {self._client.name}: all keys at {url} are RSA keys of fewer than {LEAST_RSA_BITS} bits; "
                "give the provider a longer signing key"
            )
        if not usable:
            raise ProviderUnavailable(f"provider {self._client.name}: none of the keys at {url} is usable")
        self.weak_keys = {key.kid: _bits(key) for key in weak if key.kid}
        return KeySet(usable)


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    """The places of OpenID Discovery section 4 and RFC 8414 section 3.1 (before the path), and RFC 8414's after it."""
    parts = urlsplit(issuer)
    base, path = issuer.rstrip("/"), parts.path.rstrip("/")
    before = f"{parts.scheme}://{parts.netloc}{_OAUTH}{path}"
    return tuple(dict.fromkeys((f"{base}{_OPENID}", before, f"{base}{_OAUTH}")))


def _bits(key: RSAKey) -> int:
    return key.public_key.key_size


def _is_weak(key: object) -> bool:
    return isinstance(key, RSAKey) and _bits(key) < LEAST_RSA_BITS


def _key(members: object) -> Any:
    """Return a public signing key, or None for any other kind, which must be ignored (RFC 7517 section 5).

    Without its private members a shared secret (``k``) is not a key at all.
    """
    if not isinstance(members, dict) or members.get("use", "sig") != "sig":
        return None
    public = {name: value for name, value in members.items() if name not in _PRIVATE}
    try:
        with warnings.catch_warnings():
            # Of short RSA keys; ``_fetch_keys`` logs and refuses them.
            warnings.simplefilter("ignore", SecurityWarning)
            return KeySet.import_key_set({"keys": [public]}).keys[0]
    except (JoseError, ValueError, KeyError, TypeError):
        return None
