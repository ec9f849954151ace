"""The armed windows on the queue's page, each with a button that closes it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.operators import Actor, Refused
from bootgrant.approval.policy import Window
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import sentence
from bootgrant.workflows.decide.windows import may_close

log = logging.getLogger("bootgrant.operators")


@dataclass(frozen=True, slots=True)
class WindowRow:
    """One open window. ``networks`` and ``evidence`` are empty if it has no such condition."""

    window: Window
    select: str
    networks: str
    evidence: str
    left: int
    may_close: bool


def window_rows(windows: Sequence[Window], actor: Actor) -> tuple[WindowRow, ...]:
    """Return the windows as ``actor`` sees them."""
    return tuple(
        WindowRow(
            window,
            " or ".join(map(str, window.conditions.select)),
            ", ".join(map(str, window.conditions.networks)),
            ", ".join(window.conditions.evidence),
            window.count - window.used,
            may_close(window, actor),
        )
        for window in windows
    )


async def close(visit: Visit) -> Response:
    """Close an armed window. Machines that it approved stay approved."""
    outcome = await visit.plane.arm.disarm(visit.request.path_params["window_id"], actor_of(visit))
    if isinstance(outcome, Refused):
        return visit.error(error_pages.window_not_closed(sentence(outcome.message)))
    log.info("%s disarmed the window %s", actor_of(visit), outcome.name)
    return RedirectResponse("/", 303)
