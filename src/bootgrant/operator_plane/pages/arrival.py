"""The end of a sign-in: the session replaces the old one, the audit records it, and the browser is redirected."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_BREAK_GLASS, Actor
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.visit import STAGE_PAGES, Visit, signed_in
from bootgrant.ports.people import Operator, Stage
from bootgrant.workflows.people.sign_in import NewSession
from bootgrant.workflows.record.audit import Change, operator_changed

log = logging.getLogger("bootgrant.operators")

_PATH: Final = re.compile(r"/(?![/\\])[!-~]*")
_MOST: Final = 4096


async def arrive(visit: Visit, begun: NewSession, goal: str) -> Response:
    """Redirect to ``goal``, or to the next step of the sign-in. The old session of this browser ends."""
    if visit.session:
        await visit.plane.sessions.end(visit.session)
    if begun.stage is Stage.FULL:
        operator = begun.operator
        level = logging.WARNING if begun.via == VIA_BREAK_GLASS else logging.INFO
        log.log(level, "%r signed in from %s (%s)", operator.name, visit.address, begun.via)
        actor = Actor(operator.name, operator.role, operator.labels, begun.via)
        await record(visit, AuditKind.SIGNED_IN, actor)
        response = RedirectResponse(goal, 303)
    else:
        response = RedirectResponse(f"{STAGE_PAGES[begun.stage]}?{urlencode({'next': goal})}", 303)
    visit.plane.cookie.set(response, begun.session)
    if begun.stage is Stage.FULL:
        remember_browser(visit, response, begun.operator)
    return response


def remember_browser(visit: Visit, response: Response, operator: Operator) -> None:
    """Give this browser sign-in attempts of its own, for an operator with a password."""
    if operator.password_hash:
        visit.plane.device_cookie.set(response, visit.plane.sign_in.known.proof_for(operator))


async def record(visit: Visit, kind: AuditKind, actor: Actor) -> None:
    """Record a sign-in or a sign-out in the audit."""
    now = visit.plane.clock.now()
    await visit.plane.audit.append([AuditEvent(now, kind, str(actor), actor.via, address=visit.address)])


async def record_change(visit: Visit, done: str) -> None:
    """Record in the audit what an operator changed about their own account."""
    who = signed_in(visit)
    change = Change(visit.plane.clock.now(), who.actor, done)
    event = operator_changed(change, who.operator.name, who.operator, who.operator)
    await visit.plane.audit.append([event])


def record_refusal(
    visit: Visit, why: str, via: str, name: str = "", *, details: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Record a refused sign-in in the audit, within its limits. ``name`` is an operator's, never typed text."""
    now, kind = visit.plane.clock.now(), AuditKind.SIGN_IN_REFUSED
    visit.plane.refusals.note(AuditEvent(now, kind, name, via, address=visit.address, reason=why, details=details))


def too_many(visit: Visit, wait: float) -> Response:
    """Return the page for too many sign-ins. ``wait`` is in seconds."""
    return visit.error(error_pages.too_many("sign-ins", wait), {"retry-after": str(math.ceil(wait))})


def local_path(text: str) -> str:
    """Return ``text`` if it is a path on this server, otherwise ``/``. A sign-in must not redirect to another site."""
    return text if len(text) <= _MOST and _PATH.fullmatch(text) else "/"
