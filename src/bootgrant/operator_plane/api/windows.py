"""Armed windows: list, open and close them."""

from __future__ import annotations

import logging

from bootgrant.approval.operators import Refused
from bootgrant.approval.policy import Window
from bootgrant.operator_plane.api.call import Call, Json, Reply, refused
from bootgrant.workflows.decide.windows import WindowRequest

log = logging.getLogger("bootgrant.operators")


async def windows(call: Call) -> Reply:
    """List the open windows, oldest first."""
    return Reply({"windows": [window_json(window) for window in await call.plane.arm.windows()]})


async def arm(call: Call) -> Reply:
    """Open a window in which selected machines are approved automatically, up to a number and a time."""
    members = call.members
    wish = WindowRequest(
        tuple(members["select"]),
        float(members["seconds"]),
        int(members["count"]),
        tuple(members.get("networks", ())),
        tuple(members.get("evidence", ())),
        members.get("name", ""),
        members.get("force", False),
    )
    return _reply(call, await call.plane.arm.arm(wish, call.actor), "armed")


async def disarm(call: Call) -> Reply:
    """Close a window early. Machines that it already approved stay approved."""
    return _reply(call, await call.plane.arm.disarm(call.members["name"], call.actor), "disarmed")


def _reply(call: Call, outcome: Window | Refused, done: str) -> Reply:
    if isinstance(outcome, Refused):
        return refused(409, f"not_{done}", outcome.message)
    log.info("%s %s the window %s", call.actor, done, outcome.name)
    return Reply(window_json(outcome))


def window_json(window: Window) -> Json:
    """Return a window with its conditions."""
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
