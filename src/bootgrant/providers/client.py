"""The HTTP client for one provider: bounded in time, size and number of requests, with a circuit breaker."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2

from bootgrant.ports.providers import ProviderUnavailable, ProviderWrong
from bootgrant.ports.status import Health
from bootgrant.ports.time import Clock
from bootgrant.providers.answer import ProviderAnswer, read_answer
from bootgrant.providers.arrived import cleaned
from bootgrant.providers.exchange import MOST_BYTES, TooLarge, exchange
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

__all__ = ["ProviderAnswer", "ProviderClient", "RequestCounts"]

_AT_ONCE: Final = 16
_FAILURES: Final = 3
_OPEN: Final = 10.0
_ACCEPT: Final = "application/json"


@dataclass(slots=True)
class RequestCounts:
    """Totals for the metrics."""

    asked: int = 0
    failed: int = 0


class ProviderClient:
    """Sends requests to one provider; redirects are not followed and cookies are not kept.

    After three failures in a row the provider gets no requests for ten seconds. Then a single request finds out
    whether it is back (a half-open circuit breaker). An answer that cannot be used is not such a failure: otherwise
    one odd answer, which a stranger may be able to cause, would stop the requests of all others. ``name`` is for
    messages, ``timeout`` is in seconds.
    """

    def __init__(self, name: str, clock: Clock, timeout: float, ca_file: Path | None = None) -> None:
        self.name = name
        self.counts = RequestCounts()
        self._clock = clock
        self._timeout = timeout
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._failures = 0
        self._failed_with = ""
        self._answered_at: float | None = None
        self._open_until = 0.0
        self._slots = asyncio.Semaphore(_AT_ONCE)

    @property
    def is_open(self) -> bool:
        """Whether the circuit is open: the provider failed repeatedly and gets no requests now."""
        return self._clock.steady() < self._open_until

    def health(self) -> Health:
        """Return how the last request ended, for the status of the server."""
        return Health(self.name, self._answered_at, self._failed_with if self._failures else "")

    async def get(self, url: str, bearer: Secret | None = None, accept: str = _ACCEPT) -> ProviderAnswer:
        """Return an answer with status 200 or a 4xx status that concerns the request.

        Raises ProviderUnavailable if the provider does not answer or is overloaded, ProviderWrong if it redirects or
        answers too much.
        """
        headers = {"accept": accept} | ({"authorization": f"Bearer {bearer.reveal()}"} if bearer else {})
        return await self._request("GET", url, headers=headers)

    async def post(
        self, url: str, form: Mapping[str, str], basic: tuple[str, Secret] | None = None, accept: str = _ACCEPT
    ) -> ProviderAnswer:
        """Send a form, with a client id and secret as HTTP Basic (RFC 6749 section 2.3.1). Raise as ``get`` does."""
        auth = {"auth": httpx2.BasicAuth(quote_plus(basic[0]), quote_plus(basic[1].reveal()))} if basic else {}
        return await self._request("POST", url, data=dict(form), headers={"accept": accept}, **auth)

    def wrong(self, url: str, answer: ProviderAnswer, expected: str, advice: str) -> ProviderWrong:
        """Return an error about an answer that is not what was expected, such as a web page."""
        return ProviderWrong(
            f"provider {self.name}: {cleaned(url)} answers status {answer.status} with {answer.arrived}, "
            f"not {expected}; {advice}"
        )

    def reason(self, error: ProviderUnavailable) -> str:
        """Return the text of an error without the provider's name, for a text that has it already."""
        return str(error).removeprefix(f"provider {self.name}: ")

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
                f"provider {self.name} failed {_FAILURES} times in a row, last with {self._failed_with}; "
                f"the next attempt is within {_OPEN:.0f} s"
            )

    async def _counted(self, method: str, url: str, options: Mapping[str, Any]) -> ProviderAnswer:
        self.counts.asked += 1
        try:
            if self._context is None:
                # In a thread and before the clock starts: reading all authorities takes tens of milliseconds.
                self._context = await asyncio.to_thread(client_context, self._ca_file)
            async with asyncio.timeout(self._timeout):
                answer = await self._read(method, url, options, self._context)
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, TimeoutError, OSError, _Overloaded) as error:
            self.counts.failed += 1
            self._failures += 1
            self._failed_with = cleaned(self._words(error))
            if self._failures >= _FAILURES:
                # From now, not from the start of the request: a slow provider gets as long a pause as a dead one.
                self._open_until = self._clock.steady() + _OPEN
            raise ProviderUnavailable(
                f"provider {self.name}: the request to {cleaned(url)} failed: {self._failed_with}"
            ) from error
        except _Unusable as error:
            self.counts.failed += 1
            self._failures, self._open_until = 0, 0.0
            raise ProviderWrong(f"provider {self.name}: {cleaned(url)} {error}") from error
        self._failures, self._open_until = 0, 0.0
        self._answered_at = self._clock.now()
        return answer

    def _words(self, error: Exception) -> str:
        match error:
            case _Overloaded():
                return str(error)
            case TimeoutError() | httpx2.TimeoutException():
                return f"no answer within {self._timeout:.0f} s"
            case _:
                return f"{type(error).__name__}: {error}".rstrip(": ")

    async def _read(self, method: str, url: str, options: Mapping[str, Any], context: ssl.SSLContext) -> ProviderAnswer:
        try:
            answer = await exchange(method, url, options, context, self._timeout)
        except TooLarge:
            raise _Unusable(f"answers with a body larger than {MOST_BYTES >> 10} KiB; check this address") from None
        _raise_for(answer.status, answer.headers)
        return read_answer(answer.status, answer.headers, answer.body)


class _Overloaded(Exception):
    """An answer that does not concern the request, such as that of an overloaded provider."""


class _Unusable(Exception):
    """An answer that will not be better the next time: someone must correct a setting."""


def _raise_for(status: int, headers: Mapping[str, str]) -> None:
    """Raise for a status that does not concern the request."""
    if status >= 500 or status in (408, 429):
        raise _Overloaded(f"status {status}")
    if 300 <= status < 400:
        # The query and the fragment of an address may have a code or a token in them.
        target = cleaned(re.split("[?#]", headers.get("location", ""))[0]) or "an address that it does not name"
        raise _Unusable(
            f"redirects to {target} (status {status}); bootgrant does not follow redirects of a provider, because "
            "secrets would go along: write the final address, or turn the redirect off at the provider or its proxy"
        )
    if status != 200 and not status >= 400:
        raise _Unusable(f"answers status {status}, not 200; check this address, and what a proxy in between does")
