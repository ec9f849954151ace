"""Armed windows: which are open, open one, close one."""

from __future__ import annotations

import logging

from bootgrant.approval.policy import Window
from bootgrant.operator_plane.api.call import Call, Json, Told, refused
from bootgrant.workflows.decide.windows import NotArmed, WindowRequest

log = logging.getLogger("bootgrant.operators")


async def windows(call: Call) -> Told:
    """The windows that are open, oldest first."""
    return Told({"windows": [_window_json(window) for window in await call.plane.arm.windows()]})


async def arm(call: Call) -> Told:
    """Expect machines: for a while, so many of the selected ones are let in without a person."""
    asked = call.members
    wish = WindowRequest(
        tuple(asked["select"]),
        float(asked["seconds"]),
        int(asked["count"]),
        tuple(asked.get("networks", ())),
        tuple(asked.get("evidence", ())),
        asked.get("name", ""),
    )
    return _told(call, await call.plane.arm.arm(wish, call.actor), "armed")


async def disarm(call: Call) -> Told:
    """Close a window before its time. What it let in stays let in."""
    return _told(call, await call.plane.arm.disarm(call.members["name"], call.actor), "disarmed")


def _told(call: Call, outcome: Window | NotArmed, done: str) -> Told:
    if isinstance(outcome, NotArmed):
        return refused(409, f"not_{done}", outcome.message)
    log.info("%s %s the window %s", call.actor, done, outcome.name)
    return Told(_window_json(outcome))


def _window_json(window: Window) -> Json:
    return {
        "id": window.window_id,
        "name": window.name,
        "select": [str(selector) for selector in window.conditions.select],
        "networks": [str(network) for network in window.conditions.networks],
        "evidence": list(window.conditions.evidence),
        "by": window.by,
        "armed_at": window.armed_at,
        "until": window.until,
        "count": window.count,
        "used": window.used,
    }
