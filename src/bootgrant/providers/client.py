"""The HTTP client for one provider: bounded in time, size and number of requests, with a circuit breaker."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2

from bootgrant.ports.providers import ProviderUnavailable
from bootgrant.ports.time import Clock
from bootgrant.providers.exchange import MOST_BYTES, TooLarge, exchange
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_AT_ONCE: Final = 16
_FAILURES: Final = 3
_OPEN: Final = 10.0


@dataclass(slots=True)
class RequestCounts:
    """Totals for the metrics."""

    asked: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class ProviderAnswer:
    """Status 200 or 4xx, and the JSON object of the body; empty if a 4xx answer has none."""

    status: int
    members: Mapping[str, Any]


class ProviderClient:
    """Sends requests to one provider; redirects are not followed and cookies are not kept.

    After three failures in a row the provider gets no requests for ten seconds. Then a single request finds out
    whether it is back (a half-open circuit breaker). ``name`` is for messages, ``timeout`` is in seconds.
    """

    def __init__(self, name: str, clock: Clock, timeout: float, ca_file: Path | None = None) -> None:
        self.name = name
        self.counts = RequestCounts()
        self._clock = clock
        self._timeout = timeout
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._failures = 0
        self._open_until = 0.0
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: the provider failed repeatedly and gets no requests now."""
        return self._clock.steady() < self._open_until

    async def get(self, url: str, bearer: Secret | None = None) -> ProviderAnswer:
        """Raise ProviderUnavailable unless the provider answers with 200 or a 4xx status that concerns the request."""
        headers = {"authorization": f"Bearer {bearer.reveal()}"} if bearer else {}
        return await self._request("GET", url, headers=headers)

    async def post(self, url: str, form: Mapping[str, str], basic: tuple[str, Secret] | None = None) -> ProviderAnswer:
        """Send a form, with a client id and secret as HTTP Basic (RFC 6749 section 2.3.1). Raise as ``get`` does."""
        auth = {"auth": httpx2.BasicAuth(quote_plus(basic[0]), quote_plus(basic[1].reveal()))} if basic else {}
        return await self._request("POST", url, data=dict(form), **auth)

    async def _request(self, method: str, url: str, **options: Any) -> ProviderAnswer:
        self._raise_if_open()
        try:
            await asyncio.wait_for(self._slots.acquire(), self._timeout)
        except TimeoutError:
            # Too many machines at once: the provider has not failed.
            raise ProviderUnavailable(
                f"provider {self.name}: {_AT_ONCE} requests are already waiting for its answer"
            ) from None
        try:
            # It may have failed while this request waited.
            self._raise_if_open()
            if self._failures >= _FAILURES:
                # Half-open: block the others until this request has its answer.
                self._open_until = self._clock.steady() + self._timeout
            return await self._counted(method, url, options)
        finally:
            self._slots.release()

    def _raise_if_open(self) -> None:
        if self.is_open:
            raise ProviderUnavailable(
                f"provider {self.name} failed {_FAILURES} times in a row; the next attempt is within {_OPEN:.0f} s"
            )

    async def _counted(self, method: str, url: str, options: Mapping[str, Any]) -> ProviderAnswer:
        self.counts.asked += 1
        try:
            if self._context is None:
                # In a thread and before the clock starts: reading all authorities takes tens of milliseconds.
                self._context = await asyncio.to_thread(client_context, self._ca_file)
            async with asyncio.timeout(self._timeout):
                answer = await self._read(method, url, options, self._context)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, TimeoutError, OSError, _BadAnswer) as error:
            self.counts.failed += 1
            self._failures += 1
            if self._failures >= _FAILURES:
                # From now, not from the start of the request: a slow provider gets as long a pause as a dead one.
                self._open_until = self._clock.steady() + _OPEN
            reason = str(error) if isinstance(error, _BadAnswer) else f"{type(error).__name__}: {error}".rstrip(": ")
            raise ProviderUnavailable(f"provider {self.name}: the request to {url} failed: {reason}") from error
        self._failures, self._open_until = 0, 0.0
        return answer

    async def _read(self, method: str, url: str, options: Mapping[str, Any], context: ssl.SSLContext) -> ProviderAnswer:
        try:
            answer = await exchange(method, url, options, context, self._timeout)
        except TooLarge:
            raise _BadAnswer(f"the answer is larger than {MOST_BYTES >> 10} KiB") from None
        if answer.status in (408, 429) or (answer.status != 200 and not 400 <= answer.status < 500):
            raise _BadAnswer(f"status {answer.status}")
        return ProviderAnswer(answer.status, _object(answer.body, answer.status))


class _BadAnswer(Exception):
    """An answer that does not concern the request, such as that of an overloaded provider."""


def _object(body: bytes, status: int) -> Mapping[str, Any]:
    try:
        members = json.loads(body)
    except (ValueError, RecursionError):
        members = None
    if isinstance(members, dict):
        return members
    if status == 200:
        raise _BadAnswer("the answer is not a JSON object")
    return {}
