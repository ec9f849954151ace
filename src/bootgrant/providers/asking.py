"""Asking a provider over HTTP: bounded in time, in size and in number, and not at all for a while after it failed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2

from bootgrant.ports.providers import ProviderUnavailable
from bootgrant.ports.time import Clock
from bootgrant.providers.settings import ProviderSettings
from bootgrant.trust import client_context

log = logging.getLogger("bootgrant.providers")

_MOST_BYTES: Final = 512 * 1024
_AT_ONCE: Final = 16
_FAILURES: Final = 3
_OPEN: Final = 10.0


@dataclass(slots=True)
class ProviderCounts:
    """For metrics."""

    asked: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """A status that is the provider's word (200, or 400 to 499), and the JSON object; empty when there is none."""

    status: int
    members: Mapping[str, Any]


class Provider:
    """One provider. After some failures in a row it is left alone for a while (a circuit breaker)."""

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        self.counts = ProviderCounts()
        self._name = settings.name
        self._timeout = settings.timeout
        self._ca_file = settings.ca_file
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._client: httpx2.AsyncClient | None = None

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> ProviderAnswer:
        """Raises ProviderUnavailable for anything that is not the provider's word."""
        return await self._ask("GET", url, headers=dict(headers or {}))

    async def post(self, url: str, form: Mapping[str, str], basic: tuple[str, str] | None) -> ProviderAnswer:
        """The same for a form; ``basic`` are an id and a secret, encoded as forms are (RFC 6749 section 2.3.1)."""
        auth = {"auth": httpx2.BasicAuth(*map(quote_plus, basic))} if basic else {}
        return await self._ask("POST", url, data=dict(form), **auth)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _ask(self, method: str, url: str, **what: Any) -> ProviderAnswer:
        self._refuse_while_left_alone()
        try:
            await asyncio.wait_for(self._room.acquire(), self._timeout)
        except TimeoutError:
            # Many machines at once are no failure of the provider's.
            raise ProviderUnavailable(f"provider {self._name}: {_AT_ONCE} questions wait for its answer") from None
        try:
            # It may have failed while this question waited.
            self._refuse_while_left_alone()
            if self._failures >= _FAILURES:
                # One question finds out whether it is back.
                self._open_until = self._clock.steady() + self._timeout
            return await self._answered(method, url, what)
        finally:
            self._room.release()

    def _refuse_while_left_alone(self) -> None:
        if self.is_left_alone:
            raise ProviderUnavailable(f"provider {self._name} failed {_FAILURES} times; asked again in a moment")

    async def _answered(self, method: str, url: str, what: Mapping[str, Any]) -> ProviderAnswer:
        self.counts.asked += 1
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._read(method, url, what)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, TimeoutError, OSError, _BadAnswer) as error:
            self._note_failure()
            told = str(error) if isinstance(error, _BadAnswer) else f"{type(error).__name__}: {error}".rstrip(": ")
            raise ProviderUnavailable(f"provider {self._name} cannot be asked at {url}: {told}") from error
        self._failures, self._open_until = 0, 0.0
        return answer

    async def _read(self, method: str, url: str, what: Mapping[str, Any]) -> ProviderAnswer:
        if self._client is None:
            verify = client_context(self._ca_file) if self._ca_file else True
            # Questions are rare, and a connection that was kept may be closed by the other end just when it is used.
            limits = httpx2.Limits(max_keepalive_connections=0)
            # A cookie for one person's token would be shown with the token of the next.
            no_cookies = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
            self._client = httpx2.AsyncClient(verify=verify, timeout=self._timeout, limits=limits, cookies=no_cookies)
        async with self._client.stream(method, url, **what) as answer:
            body = b""
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _MOST_BYTES:
                    raise _BadAnswer(f"the answer is larger than {_MOST_BYTES >> 10} KiB")
        if answer.status_code != 200 and not 400 <= answer.status_code < 500:
            raise _BadAnswer(f"status {answer.status_code}")
        if answer.status_code in (408, 429):
            raise _BadAnswer(f"status {answer.status_code}")
        return ProviderAnswer(answer.status_code, _object(body, answer.status_code))

    def _note_failure(self) -> None:
        self.counts.failed += 1
        self._failures += 1
        if self._failures >= _FAILURES:
            # From the end of the question: a slow provider is left alone as long as a dead one.
            self._open_until = self._clock.steady() + _OPEN

    @property
    def is_left_alone(self) -> bool:
        """Whether it is not asked now, because it failed several times in a row."""
        return self._clock.steady() < self._open_until


class _BadAnswer(Exception):
    """An answer that is not the provider's word."""


def _object(body: bytes, status: int) -> Mapping[str, Any]:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict):
        return members
    if status == 200:
        raise _BadAnswer("the answer is no JSON object")
    return {}
