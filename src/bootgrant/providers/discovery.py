"""A provider's metadata and keys: fetched when needed, cached, and fetched again when a token names an unknown key."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Generic, TypeVar

from bootgrant.ports.providers import ProviderUnavailable, ProviderWrong
from bootgrant.ports.time import Clock
from bootgrant.providers.arrived import cleaned, kind_of, names_of
from bootgrant.providers.client import ProviderClient
from bootgrant.providers.issuer import endpoint_problem, issuer_problem, metadata_urls
from bootgrant.providers.keys import KeyList, in_words, read_keys

log = logging.getLogger("bootgrant.providers")

_FRESH: Final = 600.0
UNKNOWN_KEY_PAUSE: Final = 60.0
_FAILED_PAUSE: Final = 2.0
"""Seconds: the age at which a document is fetched again, also for the sake of an unknown key, and after a failure."""

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
        self._logged = ""

    async def metadata(self) -> Mapping[str, Any]:
        """Return the issuer's metadata (RFC 8414, OpenID Connect Discovery). Raise ProviderUnavailable."""
        return await self._metadata.get()

    async def endpoint(self, name: str, configured: str = "") -> str:
        """Return ``configured`` or, if it is empty, the URL ``name`` of the metadata. Raise ProviderUnavailable."""
        if configured:
            return configured
        url = (await self.metadata()).get(name)
        problem = endpoint_problem(url, self.issuer)
        if problem:
            # It may have been corrected since, or come from a proxy that answered in the provider's place.
            url = (await self._metadata.get(_FAILED_PAUSE)).get(name)
            problem = endpoint_problem(url, self.issuer)
        if problem or not isinstance(url, str):
            raise self._wrong(f"its metadata has no https {name}; {self._advice}. There, {problem}")
        return url

    async def keys(self, key_id: str | None, pause: float = UNKNOWN_KEY_PAUSE) -> KeyList:
        """Return the keys, fetching them again (at most once in ``pause`` seconds) if none has this id.

        Raise ProviderUnavailable, also if the key could not be looked for now: the provider may have just begun to use
        it, so the caller must come again.
        """
        began = self._clock.steady()
        keys = await self._keys.get()
        if keys.knows(key_id):
            return keys
        keys = await self._keys.get(pause)
        if not keys.knows(key_id) and self._keys.fetched_at < began:
            raise self._too_soon()
        return keys

    async def newer_keys(self, key_id: str | None, pause: float = UNKNOWN_KEY_PAUSE) -> KeyList:
        """Return the keys, at most ``pause`` seconds old, for a token that none of the known keys signed.

        Raise ProviderUnavailable, also if they were not fetched now and no key has the id: it may be a new one.
        """
        began = self._clock.steady()
        keys = await self._keys.get(pause)
        is_nameless = key_id is None or (keys.knows(key_id) and not keys.names(key_id))
        if is_nameless and self._keys.fetched_at < began:
            raise self._too_soon()
        return keys

    def _too_soon(self) -> ProviderUnavailable:
        return ProviderUnavailable(
            f"provider {self._client.name}: a token names an unknown key; keys are fetched at most once a minute"
        )

    def _wrong(self, problem: str) -> ProviderWrong:
        return ProviderWrong(f"provider {self._client.name}: {problem}")

    async def _fetch_metadata(self) -> Mapping[str, Any]:
        if "{" in self.issuer:
            raise self._wrong(issuer_problem(self.issuer, self.issuer))
        seen = []
        for url in metadata_urls(self.issuer):
            try:
                answer = await self._client.get(url)
            except ProviderWrong as error:
                # It may be at the next place: some servers redirect every unknown address to a page.
                seen.append(self._client.reason(error))
                continue
            if answer.status != 200 or not answer.is_object:
                seen.append(f"{url} answers status {answer.status} with {answer.arrived}")
                continue
            if problem := issuer_problem(answer.members.get("issuer"), self.issuer):
                raise self._wrong(problem)
            return answer.members
        raise self._wrong(f"there is no metadata at {self.issuer}: {'; '.join(seen)}; {self._advice}")

    async def _fetch_keys(self) -> KeyList:
        url = await self.endpoint("jwks_uri", self._jwks_url)
        answer = await self._client.get(url)
        found = answer.members.get("keys")
        if answer.status != 200 or not answer.is_object:
            raise self._client.wrong(url, answer, "a set of keys", f"{self._advice} (jwks_uri)")
        if not isinstance(found, list):
            what = kind_of(found) if "keys" in answer.members else f"missing (it has {names_of(answer.members)})"
            raise self._wrong(
                f"the set of keys at {url} has no list of keys: keys is {what}; {self._advice} (jwks_uri)"
            )
        keys = read_keys(found)
        if not keys.usable:
            why = in_words(keys.ignored) or "the list is empty"
            raise self._wrong(
                f"none of the keys at {url} can verify a signature: {why}; give the provider a signing key for RS256 "
                "or ES256"
            )
        self._log_ignored(url, keys)
        return keys

    def _log_ignored(self, url: str, keys: KeyList) -> None:
        """Log the keys that are ignored, once, except those that are for another use."""
        ignored = in_words([key for key in keys.ignored if key.is_for_signatures])
        if ignored and ignored != self._logged:
            log.warning("provider %s: some keys at %s are not used: %s", self._client.name, cleaned(url), ignored)
        self._logged = ignored
