"""Requests for an examination: any answer is of interest, and its words are kept short and without secrets."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote_plus

import httpx2

from bootgrant.ports.time import Clock
from bootgrant.providers.answer import read_answer
from bootgrant.providers.exchange import MOST_BYTES, RawAnswer, TooLarge, exchange
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_MOST_SHOWN: Final = 200
_MOST_READ: Final = 1 << 16
_SHORTEST_HIDDEN: Final = 4
_NOT_TEXT: Final = re.compile(r"<(script|style|head)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.DOTALL | re.IGNORECASE)


class NoAnswer(Exception):
    """The provider did not answer; the message says why."""


def one_line(text: object, hidden: Iterable[Secret] = (), most: int = _MOST_SHOWN) -> str:
    """Return a text of a provider as one printable line, without what is ``hidden``; empty if it is not a text."""
    if not isinstance(text, str):
        return ""
    for secret in hidden:
        if len(secret.reveal()) >= _SHORTEST_HIDDEN:
            text = text.replace(secret.reveal(), "…")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


@dataclass(frozen=True)
class Seen:
    """An answer, and the time of this computer when it came, in Unix seconds. ``hidden`` is never shown."""

    raw: RawAnswer
    at: float
    hidden: tuple[Secret, ...] = ()

    @property
    def status(self) -> int:
        return self.raw.status

    def header(self, name: str) -> str:
        return self.raw.headers.get(name, "")

    @cached_property
    def members(self) -> Mapping[str, Any]:
        """The JSON object in the body; empty for anything else."""
        try:
            found = json.loads(self.raw.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @cached_property
    def text(self) -> str:
        """The body without tags, scripts and styles, on one line."""
        body = _NOT_TEXT.sub(" ", self.raw.body.decode("utf-8", "replace"))
        return one_line(html.unescape(body), self.hidden, _MOST_READ)

    @property
    def error(self) -> str:
        """The error code (RFC 6749 section 5.2), empty without one."""
        return one_line(self.members.get("error"), self.hidden)

    def words(self) -> str:
        """The status and what the provider says: its error and description, or the start of a page or another text.

        Of JSON, a form or a token only the kind is said: there may be tokens in it.
        """
        named = [one_line(self.members.get(name), self.hidden) for name in ("error", "error_description")]
        said = ": ".join(filter(None, named)) or (
            one_line(self.text, (), _MOST_SHOWN) if self._is_prose else read_answer(*self._parts).arrived
        )
        return f"status {self.status}, {said}" if said else f"status {self.status}"

    @property
    def _parts(self) -> tuple[int, Mapping[str, str], bytes]:
        return self.raw.status, self.raw.headers, self.raw.body

    @property
    def _is_prose(self) -> bool:
        """Whether the body is for people to read."""
        body, form = self.raw.body.strip(), self.header("content-type").startswith("application/x-www-form")
        return not (form or body.startswith((b"{", b"[")) or read_answer(*self._parts).token)

    @property
    def clock_ahead(self) -> float | None:
        """By how many seconds this computer's clock is ahead of the provider's; None if the answer has no date."""
        try:
            return self.at - parsedate_to_datetime(self.header("date")).timestamp()
        except (TypeError, ValueError, OverflowError):
            return None


class Asking:
    """Sends single requests, with the same limits and authorities as the server. Keeps no cookie and no connection.

    ``timeout`` is in seconds; the texts in ``hidden`` are never shown.
    """

    def __init__(
        self, clock: Clock, timeout: float, ca_file: Path | None = None, hidden: tuple[Secret, ...] = ()
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._ca_file = ca_file
        self._hidden = hidden

    async def get(self, url: str, bearer: Secret | None = None, accept: str = "application/json") -> Seen:
        """Raises NoAnswer."""
        headers = {"accept": accept} | ({"authorization": f"Bearer {bearer.reveal()}"} if bearer else {})
        return await self._sent("GET", url, {"headers": headers})

    async def post(self, url: str, form: Mapping[str, str], basic: tuple[str, Secret] | None = None) -> Seen:
        """Raises NoAnswer."""
        auth = {"auth": httpx2.BasicAuth(quote_plus(basic[0]), quote_plus(basic[1].reveal()))} if basic else {}
        return await self._sent("POST", url, {"data": dict(form), "headers": {"accept": "application/json"}, **auth})

    async def _sent(self, method: str, url: str, options: Mapping[str, Any]) -> Seen:
        where = one_line(url.partition("?")[0])
        context = await asyncio.to_thread(client_context, self._ca_file)
        try:
            async with asyncio.timeout(self._timeout):
                raw = await exchange(method, url, options, context, self._timeout)
        except TooLarge:
            raise NoAnswer(f"{where} answers more than {MOST_BYTES >> 10} KiB") from None
        except TimeoutError:
            raise NoAnswer(f"the request to {where} failed: no answer within {self._timeout:.0f} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, UnicodeError, OSError) as error:
            reason = one_line(f"{type(error).__name__}: {error}".rstrip(": "), self._hidden)
            raise NoAnswer(f"the request to {where} failed: {reason}") from None
        return Seen(raw, self._clock.now(), self._hidden)
