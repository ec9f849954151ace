"""``/access/windows/new``: the form that arms a window."""

from __future__ import annotations

import logging
import math
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Refused
from bootgrant.approval.policy import BUILT_IN, Window
from bootgrant.operator_plane.pages.access.shared import typed
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import sentence, text
from bootgrant.workflows.decide.windows import FitsNothing, WindowRequest

log = logging.getLogger("bootgrant.operators")

_UNITS: Final = {"minutes": 60.0, "hours": 3600.0, "days": 86400.0}
_NETWORK: Final = "network-"
_EVIDENCE: Final = "evidence-"
_SELECTED: Final = 16
"""Selectors that one form can have."""


async def show(visit: Visit) -> Response:
    """Show the form."""
    return _form(visit)


async def arm(visit: Visit) -> Response:
    """Arm a window and show it. One that fits no entry is explained first, and armed if the person repeats it."""
    wanted = _wanted(visit)
    outcome = wanted if isinstance(wanted, Refused) else await visit.plane.arm.arm(wanted, actor_of(visit))
    if isinstance(outcome, FitsNothing):
        return _form(visit, f"{sentence(outcome.problem)} {text('armed.fix')}", 409, fits_nothing=True)
    if isinstance(outcome, Refused):
        return _form(visit, sentence(outcome.message), 409)
    log.info("%s armed the window %s", actor_of(visit), outcome.name)
    return RedirectResponse(_address(outcome), 303)


def _address(window: Window) -> str:
    return f"/access/windows/{window.window_id}"


def _wanted(visit: Visit) -> WindowRequest | Refused:
    """Return what the form asks for, or which field is wrong."""
    form, vocabulary = visit.form, visit.plane.arm.vocabulary
    time, unit, count = form.get("time", "").strip(), _UNITS.get(form.get("unit", ""), 0.0), form.get("count", "")
    seconds = _number(time) * unit
    if not seconds:
        return Refused(text("armed.no_time"))
    if not count.strip().isascii() or not count.strip().isdigit():
        return Refused(text("armed.no_count"))
    networks = [name for name in vocabulary.networks if _NETWORK + name in form]
    return WindowRequest(
        tuple(form.get("select", "").split()[:_SELECTED]),
        seconds,
        int(count.strip()[:9]),
        (*networks, *form.get("networks", "").replace(",", " ").split()),
        tuple(name for name in _kinds(visit) if _EVIDENCE + name in form),
        form.get("name", "").strip(),
        "force" in form,
    )


def _number(written: str) -> float:
    """Return a number as people write it, or 0.0 for anything else."""
    try:
        number = float(written.replace(",", "."))
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _kinds(visit: Visit) -> tuple[str, ...]:
    """Return the kinds of evidence that a window can require, those that every site has first."""
    own = visit.plane.arm.vocabulary.evidence
    return (*sorted(BUILT_IN), *sorted(own))


def _form(visit: Visit, problem: str = "", status: int = 200, *, fits_nothing: bool = False) -> Response:
    labels = actor_of(visit).labels
    return visit.page(
        "access_arm.html",
        status,
        problem=problem,
        fits_nothing=fits_nothing,
        units=tuple(_UNITS),
        networks=[(name, bool(typed(visit, _NETWORK + name))) for name in sorted(visit.plane.arm.vocabulary.networks)],
        kinds=[(name, bool(typed(visit, _EVIDENCE + name))) for name in _kinds(visit)],
        labels=labels,
        values={
            "select": typed(visit, "select", ",".join(map(str, labels)) if len(labels) == 1 else ""),
            "time": typed(visit, "time", "1"),
            "unit": typed(visit, "unit", "hours"),
            "count": typed(visit, "count"),
            "networks": typed(visit, "networks"),
            "name": typed(visit, "name"),
        },
    )
