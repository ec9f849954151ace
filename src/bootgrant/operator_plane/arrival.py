"""Somebody has signed in: the new session, the end of the old one, the audit, and where they go now."""

from __future__ import annotations

import logging
import re
from typing import Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_BREAK_GLASS, Actor
from bootgrant.operator_plane.visit import STAGE_PAGES, Visit
from bootgrant.ports.people import Stage
from bootgrant.workflows.people.sign_in import NewSession

log = logging.getLogger("bootgrant.operators")

_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")
_MOST: Final = 4096


async def arrive(visit: Visit, begun: NewSession, goal: str) -> Response:
    """On to ``goal``, or to the next step of the sign-in; the old session of this browser ends."""
    if visit.session:
        await visit.plane.sessions.end(visit.session)
    name = begun.operator.name
    if begun.stage is Stage.FULL:
        level = logging.WARNING if begun.via == VIA_BREAK_GLASS else logging.INFO
        log.log(level, "%r signed in from %s (%s)", name, visit.address, begun.via)
        operator = begun.operator
        actor = Actor(operator.name, operator.role, operator.labels, begun.via)
        await note(visit, AuditKind.SIGNED_IN, actor)
        response = RedirectResponse(goal, 303)
    else:
        response = RedirectResponse(f"{STAGE_PAGES[begun.stage]}?{urlencode({'next': goal})}", 303)
    visit.plane.cookie.set(response, begun.session)
    return response


async def note(visit: Visit, kind: AuditKind, actor: Actor) -> None:
    """Put a sign-in or its end into the audit."""
    now = visit.plane.clock.now()
    await visit.plane.audit.append([AuditEvent(now, kind, str(actor), actor.via, address=visit.address)])


def note_refused(visit: Visit, why: str, via: str, name: str = "") -> None:
    """Somebody was not let in: for the audit, within bounds. ``name`` is an operator's, never what was typed."""
    now, kind = visit.plane.clock.now(), AuditKind.SIGN_IN_REFUSED
    visit.plane.refusals.note(AuditEvent(now, kind, name, via, address=visit.address, reason=why))


def local_path(text: str) -> str:
    """``text`` when it is a path of this server, else ``/``: a sign-in link must not lead elsewhere."""
    return text if len(text) <= _MOST and _PATH.fullmatch(text) else "/"
