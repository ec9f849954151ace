"""``/audit/undo``: what one person approved since a time, and could still act with; and the undo of it."""

from __future__ import annotations

import logging
from datetime import UTC
from typing import Final

from starlette.responses import Response

from bootgrant.approval.audit import written_time
from bootgrant.approval.moments import BadMoment, read_moment
from bootgrant.approval.operators import Refused
from bootgrant.operator_plane.api.undo import summary
from bootgrant.operator_plane.pages.account import place_of
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.workflows.people.undo import UndoChoice, WorkOf

log = logging.getLogger("bootgrant.operators")

_LENGTH: Final = 100
_MOST: Final = 200
"""Approvals that a page lists; the undo is not limited."""


async def show(visit: Visit) -> Response:
    """Show the form, and if a person and a time are given, what can be undone."""
    by, since = (visit.query(name)[:_LENGTH].strip() for name in ("by", "since"))
    if not by or not since:
        return _page(visit, by, since)
    at = _since(visit, since)
    found = at if isinstance(at, Refused) else await visit.plane.undo.preview(by, at)
    if isinstance(found, Refused):
        return _page(visit, by, since, problem=sentence(found.message), status=400)
    return _page(visit, by, since, found)


async def undo(visit: Visit) -> Response:
    """Undo the approvals and end what was selected, and show exactly what was undone."""
    by, since = (visit.form.get(name, "")[:_LENGTH].strip() for name in ("by", "since"))
    at = _since(visit, since)
    choice = UndoChoice(*(name in visit.form for name in ("sessions", "windows", "tokens")))
    done = at if isinstance(at, Refused) else await visit.plane.undo.undo(by, at, choice, actor_of(visit))
    if isinstance(done, Refused):
        return _page(visit, by, since, problem=sentence(done.message), status=400)
    log.warning("%s undid what %s approved: %s", actor_of(visit), ascii(done.name), summary(done))
    return visit.page("undo_done.html", work=done, most=_MOST, place_of=place_of)


def _since(visit: Visit, since: str) -> float | Refused:
    """Return the time that the person typed. Pages show times in UTC, so 12:00 is UTC too."""
    try:
        return read_moment(since, visit.plane.clock.now(), UTC)
    except BadMoment as error:
        return Refused(str(error))


def _page(
    visit: Visit, by: str, since: str, found: WorkOf | None = None, *, problem: str = "", status: int = 200
) -> Response:
    return visit.page(
        "undo.html",
        status,
        by=by,
        since=since,
        work=found,
        exact_since=written_time(found.since) if found else "",
        problem=problem or (text("undo.nothing") if found and found.is_empty else ""),
        most=_MOST,
        place_of=place_of,
    )
