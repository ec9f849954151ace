"""``/events``: server-sent events (WHATWG HTML section 9.2) that announce that the current page has changed.

An event carries only a version. The page then loads itself again, with the rights of its session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.workflows.decide.watch_requests import Watch

_PATIENCE: Final = 15.0
"""Seconds without a change after which a comment is sent: proxies and browsers close silent connections."""


async def show(visit: Visit) -> Response:
    """Stream changes of one request (``?request=ID``) or of the queue, until the session or the server ends."""
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(_events(visit, visit.query("request")), media_type="text/event-stream", headers=headers)


async def _events(visit: Visit, grant_id: str) -> AsyncIterator[str]:
    yield "retry: 3000\n\n"
    watching, seen = visit.plane.watching, ""
    while True:
        try:
            if grant_id:
                found = await watching.request(grant_id, seen, _PATIENCE)
            else:
                found = await watching.queue(seen, _PATIENCE)
            if found is Watch.OVER or not await visit.is_still_signed_in():
                return
        except StoreUnavailable:
            return
        if isinstance(found, str):
            seen = found
        yield f"event: changed\ndata: {found}\n\n" if isinstance(found, str) else ": still here\n\n"
