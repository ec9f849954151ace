"""``/access/windows``: the armed windows, open and past, with what each approved; and the form that arms one."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Refused, Right
from bootgrant.approval.policy import Selector, Window
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.access.shared import named_networks
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import counted, sentence, text
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.windows import may_close

log = logging.getLogger("bootgrant.operators")

_PAST: Final = 30 * 86400.0
_MOST_PAST: Final = 20
_MOST_READ: Final = 500
_MOST_MACHINES: Final = 200
_TICK: Final = 0.001
"""Seconds: how exactly the audit keeps times."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An armed window in words. ``used`` is None when nothing says how many machines it approved.

    ``ended`` is empty for an open one, and says why it is not open otherwise; ``ended_at`` is when, if that is known.
    """

    window_id: str
    name: str
    select: str
    networks: str
    evidence: str
    by: str
    armed_at: float
    until: float
    count: int
    used: int | None
    may_close: bool = False
    ended: str = ""
    ended_at: float | None = None


async def show(visit: Visit) -> Response:
    """List the open windows, oldest first, and those that ended in the last 30 days, newest first."""
    opened = [_open(visit, window) for window in await visit.plane.arm.windows()]
    past = await _past(visit)
    return visit.page(
        "access_windows.html",
        opened=opened,
        past=past[:_MOST_PAST],
        may_arm=actor_of(visit).may(Right.DECIDE),
        now=visit.plane.clock.now(),
    )


async def show_one(visit: Visit) -> Response:
    """Show one window with every machine that it approved."""
    found = await _find(visit, visit.request.path_params["window_id"])
    if found is None:
        return visit.error(error_pages.NO_WINDOW)
    return await _page(visit, found)


async def close(visit: Visit) -> Response:
    """Close a window. Machines that it approved stay approved."""
    window_id = visit.request.path_params["window_id"]
    outcome = await visit.plane.arm.disarm(window_id, actor_of(visit))
    if isinstance(outcome, Refused):
        found = await _find(visit, window_id)
        if found is None or not found.ended:
            return visit.error(replace(error_pages.window_not_closed(sentence(outcome.message)), link=_BACK))
    else:
        log.info("%s disarmed the window %s", actor_of(visit), outcome.name)
    # The page says who closed it: perhaps another operator, a moment earlier.
    return RedirectResponse(f"/access/windows/{window_id}", 303)


_BACK: Final = ("/access/windows", text("armed.title"))


async def _page(visit: Visit, shown: Shown) -> Response:
    # Another window may have had the same name before or later.
    until = shown.ended_at + _TICK if shown.ended_at is not None else None
    actor = f"window {shown.name} by {shown.by}"
    which = AuditFilter(kinds=(AuditKind.APPROVED,), actor=actor, since=shown.armed_at, until=until)
    found = await visit.plane.audit.newest(which, _MOST_MACHINES + 1)
    machines = [record.event for record in found]
    return visit.page(
        "access_window.html",
        shown=shown,
        machines=machines[:_MOST_MACHINES],
        more=len(machines) > _MOST_MACHINES,
        fits=await _fits(visit, shown) if not shown.ended else "",
        now=visit.plane.clock.now(),
    )


async def _find(visit: Visit, window_id: str) -> Shown | None:
    window = next((each for each in await visit.plane.arm.windows() if each.window_id == window_id), None)
    if window is not None:
        return _open(visit, window)
    return next((each for each in await _past(visit) if each.window_id == window_id), None)


async def _fits(visit: Visit, shown: Shown) -> str:
    """Say how many entries the selectors of an open window fit; empty when the configurations cannot be read."""
    windows = await visit.plane.arm.windows()
    select: Sequence[Selector] = next((w.conditions.select for w in windows if w.window_id == shown.window_id), ())
    try:
        entries = await visit.plane.arm.source.entries()
    except ConfigUnavailable:
        return ""
    return counted("armed.fits", sum(any(each.matches(entry) for each in select) for entry in entries))


def _open(visit: Visit, window: Window) -> Shown:
    conditions = window.conditions
    return Shown(
        window.window_id,
        window.name,
        " or ".join(map(str, conditions.select)),
        named_networks(conditions.networks, visit.plane.arm.vocabulary.networks),
        ", ".join(conditions.evidence),
        window.by,
        window.armed_at,
        window.until,
        window.count,
        window.used,
        may_close(window, actor_of(visit)),
    )


async def _past(visit: Visit) -> list[Shown]:
    """Return the windows of the audit that have ended, newest first."""
    plane, now = visit.plane, visit.plane.clock.now()
    stored = {window.window_id: window for window in await plane.arm.store.windows()}
    which = AuditFilter(kinds=(AuditKind.ARMED, AuditKind.DISARMED), since=now - _PAST)
    events = [record.event for record in await plane.audit.newest(which, _MOST_READ)]
    closings = {_window_of(event): event for event in events if event.kind is AuditKind.DISARMED}
    ended = []
    for event in events:
        window = stored.get(_window_of(event))
        if event.kind is AuditKind.ARMED and (window is None or not window.is_open(now)):
            ended.append(_over(event, window, closings.get(_window_of(event))))
    return ended


def _window_of(event: AuditEvent) -> str:
    return str(event.details.get("window", ""))


def _over(armed: AuditEvent, window: Window | None, closing: AuditEvent | None) -> Shown:
    """Return a window that has ended, from the event that armed it."""
    said = {name: str(armed.details.get(name, "")) for name in ("window", "name", "select", "networks", "evidence")}
    until, count = float(armed.details.get("until", 0)), int(armed.details.get("count", 0))
    used: int | None = window.used if window else None
    ended, ended_at = text("armed.over_time"), until
    if closing is not None:
        used = int(closing.details["used"]) if "used" in closing.details else used
        ended_at = closing.at
        ended = text("armed.over_closed", by=closing.actor) if closing.actor else sentence(closing.reason)
    elif used is not None and used >= count:
        ended = text("armed.over_used")
    return Shown(
        said["window"], said["name"], said["select"], said["networks"], said["evidence"], armed.actor, armed.at, until,
        count, used, ended=ended, ended_at=ended_at,
    )  # fmt: skip
