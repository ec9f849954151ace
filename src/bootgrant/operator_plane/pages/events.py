"""``/events``: server-sent events (WHATWG HTML section 9.2) that say when the page somebody looks at has changed.

An event carries a version and nothing else; the page then looks at itself again with the rights of its session.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from starlette.responses import Response, StreamingResponse

from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.workflows.decide.watch_requests import Watch

_PATIENCE: Final = 15.0
"""Seconds without news after which a comment is sent: proxies and browsers give up on silence, and a session may
have ended meanwhile."""


async def show(visit: Visit) -> Response:
    """``?request=ID`` for one request, else the queue. It ends with the session, and when the server stops."""
    headers = {"x-accel-buffering": "no", "cache-control": "no-store"}
    return StreamingResponse(_events(visit, visit.asked("request")), media_type="text/event-stream", headers=headers)


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
