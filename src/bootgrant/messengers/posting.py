"""JSON to an address over HTTP(S), with limits; what its answer means for another attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from bootgrant.ports.notifications import NotSent
from bootgrant.trust import client_context
from bootgrant.wire.secret import Secret

_SECONDS: Final = 10.0
_MOST_WAIT: Final = 3600.0
_POINTLESS: Final = frozenset({400, 401, 403, 404, 405, 410, 413, 415, 422})


@dataclass(frozen=True, slots=True)
class Address:
    """Where to post. The URL may be a secret (Slack's and Teams' are); what is shown of it is scheme and host."""

    url: Secret

    @property
    def shown(self) -> str:
        parts = httpx2.URL(self.url.reveal())
        return f"{parts.scheme}://{parts.netloc.decode('ascii')}"


async def post(address: Address, body: bytes, headers: Mapping[str, str]) -> None:
    """Send ``body``; redirects are not followed. Raises NotSent."""
    try:
        async with httpx2.AsyncClient(timeout=_SECONDS, follow_redirects=False, verify=client_context()) as client:
            answer = await client.post(
                address.url.reveal(), content=body, headers={"content-type": "application/json", **headers}
            )
    except httpx2.TimeoutException:
        raise NotSent(f"{address.shown} did not answer in {_SECONDS:.0f} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        # The text of some errors has the URL in it.
        raise NotSent(f"{address.shown} cannot be reached ({type(error).__name__})") from None
    if not answer.is_success:
        status = answer.status_code
        raise NotSent(f"{address.shown} answered {status}", permanent=status in _POINTLESS, after=_after(answer))


def _after(answer: httpx2.Response) -> float:
    """``Retry-After`` in seconds (RFC 9110 section 10.2.3); a date counts as none."""
    text = answer.headers.get("retry-after", "")
    return min(float(text), _MOST_WAIT) if text.isascii() and text.isdigit() else 0.0
