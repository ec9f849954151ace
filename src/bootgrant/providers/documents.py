"""A provider's metadata and keys: fetched once, kept for a while, fetched anew when a key is unknown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bootgrant.ports.providers import ProviderUnavailable
from bootgrant.ports.time import Clock
from bootgrant.providers.asking import Provider
from bootgrant.providers.settings import ProviderSettings, is_safe_url

log = logging.getLogger("bootgrant.providers")

_FRESH: Final = 600.0
_UNKNOWN_KEY_PAUSE: Final = 60.0
_FAILED_PAUSE: Final = 2.0
"""Seconds: how old a document may be, how often an unknown key makes one be fetched, and how soon after a failure."""
_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"

T = TypeVar("T")


class Kept(Generic[T]):
    """A document that one request fetches for all who wait. When it cannot be had anew, the old one serves for
    ``kept`` seconds; after that the failure is told. After a failure nobody tries for a moment."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock, kept: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept = kept
        self._have: tuple[T, float] | None = None
        self._failure: tuple[ProviderUnavailable, float] | None = None
        self._one = asyncio.Lock()

    async def get(self, fresh: float = _FRESH) -> T:
        """The document, at most ``fresh`` seconds old when the provider can be asked. Raises ProviderUnavailable."""
        fresh = min(fresh, self._kept)
        if self._age() <= fresh and self._have is not None:
            return self._have[0]
        async with self._one:
            if self._age() <= fresh and self._have is not None:
                return self._have[0]
            await self._try()
            if self._have is None or (self._age() > self._kept and self._failure is not None):
                raise self._failure[0] if self._failure else ProviderUnavailable("the provider was not asked")
            return self._have[0]

    async def _try(self) -> None:
        """Fetch it, unless that failed a moment ago: who waited for the one who tried does not try again."""
        if self._failure is not None and self._clock.steady() - self._failure[1] < _FAILED_PAUSE:
            return
        try:
            self._have, self._failure = (await self._fetch(), self._clock.steady()), None
        except ProviderUnavailable as error:
            self._failure = (error, self._clock.steady())
            if self._have is not None and self._age() <= self._kept:
                log.warning("%s; what was fetched %.0f s ago is used", error, self._age())

    @property
    def fetched_at(self) -> float:
        """On the steady clock."""
        return self._have[1] if self._have else float("-inf")

    def _age(self) -> float:
        return self._clock.steady() - self.fetched_at


class Documents:
    """The metadata and the keys of one provider."""

    def __init__(self, settings: ProviderSettings, provider: Provider, clock: Clock) -> None:
        self._settings = settings
        self._provider = provider
        self._clock = clock
        self._metadata = Kept(self._fetch_metadata, clock, settings.keys_kept)
        self._keys = Kept(self._fetch_keys, clock, settings.keys_kept)

    async def endpoint(self, configured: str, name: str) -> str:
        """A URL of the provider: as configured, or from its metadata. Raises ProviderUnavailable."""
        if configured:
            return configured
        url, issuer = (await self._metadata.get()).get(name), self._settings.issuer
        # Only a provider on this computer may send us to another port of it.
        if not isinstance(url, str) or not is_safe_url(url) or (_is_https(issuer) and not _is_https(url)):
            raise ProviderUnavailable(f"the metadata of {issuer} has no https {name}: set it in [[providers]]")
        return url

    async def keys(self, key_id: str | None) -> KeySet:
        """The keys, fetched anew (once a minute at most) when none has this id.

        Raises ProviderUnavailable, also when a key of this id may be there and could not be looked for now: the
        provider may have just begun to use it, and the machine asks again.
        """
        came = self._clock.steady()
        keys = await self._keys.get()
        if key_id is None or _has(keys, key_id):
            return keys
        keys = await self._keys.get(_UNKNOWN_KEY_PAUSE)
        if not _has(keys, key_id) and self._keys.fetched_at < came:
            raise ProviderUnavailable(f"provider {self._settings.name} has no key of the name a token says; asked soon")
        return keys

    async def keys_anew(self, key_id: object) -> KeySet:
        """The keys, fetched once a minute at most.

        Raises ProviderUnavailable, also when none could be fetched now and a token names no key: it may be a new one.
        """
        came = self._clock.steady()
        keys = await self._keys.get(_UNKNOWN_KEY_PAUSE)
        if key_id is None and self._keys.fetched_at < came:
            raise ProviderUnavailable(f"provider {self._settings.name}: a token is signed by no known key; asked soon")
        return keys

    async def _fetch_metadata(self) -> dict[str, Any]:
        for url in _metadata_urls(self._settings.issuer):
            answer = await self._provider.get(url)
            if answer.status == 200:
                if answer.members.get("issuer") != self._settings.issuer:
                    raise ProviderUnavailable(
                        f"the metadata of {self._settings.issuer} names another issuer: "
                        f"{str(answer.members.get('issuer'))[:200]!r}; write that one, exactly, as `issuer`"
                    )
                return dict(answer.members)
        raise ProviderUnavailable(f"{self._settings.issuer} has no metadata: set the endpoints in [[providers]]")

    async def _fetch_keys(self) -> KeySet:
        url = await self.endpoint(self._settings.jwks_url, "jwks_uri")
        answer = await self._provider.get(url)
        found = answer.members.get("keys")
        if answer.status != 200 or not isinstance(found, list):
            raise ProviderUnavailable(f"there are no keys at {url} (status {answer.status})")
        keys = [key for key in map(_key, found) if key is not None]
        if not keys:
            raise ProviderUnavailable(f"none of the keys at {url} can be used")
        return KeySet(keys)


def _is_https(url: str) -> bool:
    return urlsplit(url).scheme == "https"


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    """OpenID Discovery 1.0 section 4, RFC 8414 section 3.1 (between host and path), and the same behind the path."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    base = issuer.rstrip("/")
    inside = f"{parts.scheme}://{parts.netloc}{_OAUTH}{path}"
    return tuple(dict.fromkeys((f"{base}{_OPENID}", inside, f"{base}{_OAUTH}")))


def _has(keys: KeySet, key_id: str) -> bool:
    return any(key.kid == key_id for key in keys.keys)


def _key(members: object) -> Any:
    """A public key for signatures; None for what is of another kind, or is not known (RFC 7517 section 5)."""
    if not isinstance(members, dict) or members.get("use", "sig") != "sig" or members.get("kty") == "oct":
        return None
    public = {name: value for name, value in members.items() if name not in _PRIVATE}
    try:
        return KeySet.import_key_set({"keys": [public]}).keys[0]
    except (JoseError, ValueError, KeyError, TypeError):
        return None


_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
