"""A provider's metadata and keys: fetched once, kept for a while, fetched anew when a key is unknown."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, TypeVar

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bootgrant.ports.clock import Clock
from bootgrant.ports.token_verifier import ProviderUnavailable
from bootgrant.providers.asking import Provider
from bootgrant.providers.settings import ProviderSettings

log = logging.getLogger("bootgrant.providers")

_FRESH: Final = 600.0
_UNKNOWN_KEY_PAUSE: Final = 60.0
_WELL_KNOWN: Final = ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server")

T = TypeVar("T")


class Kept(Generic[T]):
    """A document that one request fetches for all who wait. When it cannot be had anew, the old one serves for
    ``kept`` seconds; after that the failure is told."""

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock, kept: float) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept = kept
        self._have: tuple[T, float] | None = None
        self._one = asyncio.Lock()

    async def get(self, fresh: float = _FRESH) -> T:
        """The document, at most ``fresh`` seconds old when the provider can be asked. Raises ProviderUnavailable."""
        if self._age() <= fresh and self._have is not None:
            return self._have[0]
        async with self._one:
            if self._age() <= fresh and self._have is not None:
                return self._have[0]
            try:
                self._have = (await self._fetch(), self._clock.steady())
            except ProviderUnavailable as error:
                if self._have is None or self._age() > self._kept:
                    raise
                log.warning("%s; what was fetched %.0f s ago is used", error, self._age())
            return self._have[0]

    def _age(self) -> float:
        return self._clock.steady() - self._have[1] if self._have else float("inf")


class Documents:
    """The metadata and the keys of one provider."""

    def __init__(self, settings: ProviderSettings, provider: Provider, clock: Clock) -> None:
        self._settings = settings
        self._provider = provider
        self._metadata = Kept(self._fetch_metadata, clock, settings.keys_kept)
        self._keys = Kept(self._fetch_keys, clock, settings.keys_kept)

    async def endpoint(self, configured: str, name: str) -> str:
        """A URL of the provider: as configured, or from its metadata. Raises ProviderUnavailable."""
        if configured:
            return configured
        url = (await self._metadata.get()).get(name)
        if not isinstance(url, str) or not url.startswith(("https://", "http://")):
            raise ProviderUnavailable(f"the metadata of {self._settings.issuer} has no {name}: set it in [[providers]]")
        return url

    async def keys(self, key_id: str | None) -> KeySet:
        """The keys, fetched anew (once a minute at most) when none has this id. Raises ProviderUnavailable."""
        keys = await self._keys.get()
        if key_id is None or any(key.kid == key_id for key in keys.keys):
            return keys
        return await self._keys.get(_UNKNOWN_KEY_PAUSE)

    async def _fetch_metadata(self) -> dict[str, Any]:
        for place in _WELL_KNOWN:
            answer = await self._provider.get(f"{self._settings.issuer.rstrip('/')}{place}")
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
