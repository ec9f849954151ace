"""Undo what one person approved since a time: what would be undone, and the undo itself."""

from __future__ import annotations

import logging
from typing import Final

from bootgrant.approval.operators import Refused
from bootgrant.operator_plane.api.accounts import token_json
from bootgrant.operator_plane.api.call import ApiPlane, ApiRoute, Call, Json, Reply, refused
from bootgrant.operator_plane.api.shapes import (
    FLAG,
    IDENTITY,
    TEXT,
    TIME,
    Schema,
    array,
    body,
    record,
    ref,
)
from bootgrant.operator_plane.api.windows import window_json
from bootgrant.operator_plane.permissions import Permission
from bootgrant.ports.people import Session
from bootgrant.workflows.people.undo import Given, GivenApproval, UndoChoice, WorkOf

log = logging.getLogger("bootgrant.operators")


async def undo(call: Call) -> Reply:
    """Undo what a person approved since a time, and end what was chosen. List what was undone."""
    members = call.members
    name, since = members["by"], float(members["since"])
    if members.get("dry_run", False):
        return _reply(call, await call.plane.undo.preview(name, since))
    choice = UndoChoice(*(members.get(part, False) for part in ("sessions", "windows", "tokens")))
    outcome = await call.plane.undo.undo(name, since, choice, call.actor)
    if isinstance(outcome, WorkOf):
        log.warning("%s undid what %s approved: %s", call.actor, ascii(outcome.name), summary(outcome))
    return _reply(call, outcome)


def summary(work: WorkOf) -> str:
    """Return how much there is of each, for the log."""
    numbers = {
        "approvals": len(work.approvals) - len(work.delivered),
        "deliveries": len(work.delivered),
        "sessions": len(work.sessions),
        "windows": len(work.windows),
        "tokens": len(work.tokens),
    }
    return ", ".join(f"{number} {what}" for what, number in numbers.items())


def _reply(call: Call, outcome: WorkOf | Refused) -> Reply:
    if isinstance(outcome, Refused):
        return refused(409, "refused", outcome.message)
    now = call.plane.clock.now()
    return Reply(
        {
            "by": outcome.name,
            "since": outcome.since,
            "accounts": list(outcome.accounts),
            "approvals": [_approval_json(approval) for approval in outcome.approvals],
            "sessions": [_session_json(session) for session in outcome.sessions],
            "windows": [window_json(window) for window in outcome.windows],
            "tokens": [token_json(token, now) for token in outcome.tokens],
        }
    )


def _approval_json(approval: GivenApproval) -> Json:
    return {
        "request": approval.grant_id,
        "by": approval.by,
        "at": approval.at,
        "identity": approval.identity.given(),
        "entry": approval.entry,
        "given": approval.given.value,
        "over": approval.is_over,
        "deliveries": [{"at": at, "address": address} for at, address in approval.deliveries],
    }


def _session_json(session: Session) -> Json:
    return {
        "operator": session.operator,
        "via": session.via,
        "created_at": session.created_at,
        "seen_at": session.seen_at,
        "address": session.address,
        "browser": session.browser,
    }


_BY: Final[Schema] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "description": "The person whose approvals are undone: an operator, or a Unix user of the admin socket.",
}
_SINCE: Final[Schema] = {
    **TIME, "minimum": 0, "maximum": 2**36, "description": "Unix time in seconds, not in the future."
}  # fmt: skip
_APPROVAL: Final[Schema] = record(
    request={**TEXT, "description": "The id of the request."},
    by={**TEXT, "description": "The author of the approval: the person, or a window that they armed."},
    at=TIME,
    identity=IDENTITY,
    entry=TEXT,
    given={
        "type": "string",
        "enum": [given.value for given in Given],
        "description": "What the approval gave: a vote, an approval, a token, or the configuration. A configuration "
        "cannot be taken back: change its keys.",
    },
    over={**FLAG, "description": "Nothing is left to undo, because the approval was revoked before or is gone."},
    deliveries=array(record(at=TIME, address=TEXT)),
)
_WORK: Final = record(
    by=TEXT,
    since=TIME,
    accounts={**array(TEXT), "description": "The person's operator accounts that are not disabled."},
    approvals=array(_APPROVAL),
    sessions=array(record(operator=TEXT, via=TEXT, created_at=TIME, seen_at=TIME, address=TEXT, browser=TEXT)),
    windows=array(ref("Window")),
    tokens=array(ref("Token")),
)
_ADMIN: Final = Permission.ADMIN_OF_ALL

UNDO_ROUTES: Final[tuple[ApiRoute[ApiPlane], ...]] = (
    ApiRoute(
        "POST", "/api/v1/undo", _ADMIN, undo, _WORK,
        body=body(
            "by", "since", by=_BY, since=_SINCE,
            dry_run={
                **FLAG,
                "description": "Change nothing: list what would be undone, and what the person could still act with.",
            },
            sessions={**FLAG, "description": "End the person's sessions."},
            windows={**FLAG, "description": "Close the person's armed windows."},
            tokens={**FLAG, "description": "Revoke the person's API tokens, and those they created since then."},
        ),
        refusals=(409,),
    ),
)  # fmt: skip
