"""JSON sent with HTTP POST, and whether another attempt makes sense."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from bootgrant.ports.notifications import NotSent
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_TIMEOUT: Final = 10.0
_MOST_WAIT: Final = 3600.0
PERMANENT: Final = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})
"""The statuses of an answer after which the same message will not be accepted either."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post. The URL may be a secret, as those of Slack and Teams are; messages show its scheme and host."""

    url: Secret

    @property
    def shown(self) -> str:
        parts = httpx2.URL(self.url.reveal())
        return f"{parts.scheme}://{parts.netloc.decode('ascii')}"


async def post(address: Address, body: bytes, headers: Mapping[str, str]) -> None:
    """Send JSON. Redirects are not followed, and the body of the answer is not read. Raise NotSent."""
    headers = {"content-type": "application/json", **headers}
    # In a thread: reading all authorities takes tens of milliseconds.
    client = httpx2.AsyncClient(timeout=_TIMEOUT, verify=await asyncio.to_thread(client_context))
    try:
        async with client, client.stream("POST", address.url.reveal(), content=body, headers=headers) as answer:
            status, wait = answer.status_code, answer.headers.get("retry-after", "")
    except httpx2.TimeoutException:
        raise NotSent(f"{address.shown} did not answer within {_TIMEOUT:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        # The text of some errors contains the URL.
        raise NotSent(f"{address.shown} cannot be reached ({type(error).__name__})") from None
    if not 200 <= status < 300:
        raise NotSent(f"{address.shown} answered {status}", permanent=status in PERMANENT, after=retry_after(wait))


def retry_after(header: str) -> float:
    """Return ``Retry-After`` (RFC 9110 section 10.2.3) in seconds; a date counts as 0."""
    is_number = header.isascii() and header.isdigit()
    return min(float(header), _MOST_WAIT) if is_number else 0.0
