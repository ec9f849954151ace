"""One HTTP request to a provider and its answer, within a limit of time and size: for the server and for the doctor."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2

MOST_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer with any status; the names of ``headers`` may be looked up in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class TooLarge(Exception):
    """The body of the answer has more than MOST_BYTES."""


async def exchange(
    method: str, url: str, options: Mapping[str, Any], context: ssl.SSLContext, limit: float
) -> RawAnswer:
    """Send one request. Redirects are not followed. Raises TooLarge, and what httpx2 raises.

    ``options`` are httpx2's, ``limit`` is in seconds for each step. A client per request: no cookie of one person's
    token goes with the next, and no connection is reused that the other end may just be closing.
    """
    client = httpx2.AsyncClient(verify=context, timeout=limit)
    async with client, client.stream(method, url, **options) as answer:
        body = b""
        async for piece in answer.aiter_bytes():
            body += piece
            if len(body) > MOST_BYTES:
                raise TooLarge
        return RawAnswer(answer.status_code, answer.headers, body)
