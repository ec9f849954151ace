"""Machine configurations by program: which entries there are, which one a machine would get, who was given which."""

from __future__ import annotations

import logging

from bootgrant.approval.operators import BadLabel, is_within, parse_labels
from bootgrant.operator_plane.api.call import Call, Json, Told, refused
from bootgrant.operator_plane.api.grants import entry_json
from bootgrant.operator_plane.api.requests import UNKNOWN
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.decisions import Assignment
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.assign_machine import NotAssigned

log = logging.getLogger("bootgrant.operators")


async def entries(call: Call) -> Told:
    """What machines may get, by name."""
    try:
        labels = parse_labels(call.query.get("label", ()))
        found = await call.plane.source.entries()
    except BadLabel as error:
        return refused(400, "bad_request", str(error))
    except ConfigUnavailable as error:
        return refused(503, "no_config", str(error))
    return Told({"entries": [entry_json(entry) for entry in found if is_within(labels, entry.labels)]})


async def configurations(call: Call) -> Told:
    """Which state of the configurations is served, since when, and why a newer one is not."""
    state = call.plane.configurations.state()
    return Told(
        {
            "revision": state.revision,
            "taken_at": state.taken_at or None,
            "problem": state.problem,
            "since": state.since or None,
        }
    )


async def explain(call: Call) -> Told:
    """Which entry a machine with this identity would get, and what found it."""
    identity = MachineIdentity.from_claim(call.members)
    if not identity.identifies():
        return refused(409, "unidentified", "name the machine by uuid, serial or mac; firmware's placeholders are none")
    try:
        found = await call.plane.assign.find_entry(identity)
    except ConfigUnavailable as error:
        return refused(503, "no_config", str(error))
    return Told(
        {
            "identity": identity.given(),
            "entry": entry_json(found.entry) if found else None,
            "assigned_by": found.assignment.by if found and found.assignment else None,
        }
    )


async def assignments(call: Call) -> Told:
    """Which machines were given an entry by a person, newest first."""
    return Told({"assignments": [_assignment_json(one) for one in await call.plane.assign.assigned()]})


async def assign(call: Call) -> Told:
    """Give a waiting machine, which no entry knows, one. It still has to be approved."""
    grant = await call.plane.decide.cards.find(call.members["code"])
    if grant is None:
        return UNKNOWN
    outcome = await call.plane.assign.assign(grant.grant_id, call.members["entry"], call.actor)
    return _told(call, outcome, "gave")


async def unassign(call: Call) -> Told:
    """Forget what was given to a machine."""
    identity = MachineIdentity.from_claim(call.members)
    return _told(call, await call.plane.assign.unassign(identity, call.actor), "took away")


def _told(call: Call, outcome: Assignment | NotAssigned, done: str) -> Told:
    if isinstance(outcome, NotAssigned):
        return refused(409, "not_assigned", outcome.message)
    log.info("%s %s the entry %s", call.actor, done, ascii(outcome.entry))
    return Told(_assignment_json(outcome))


def _assignment_json(assignment: Assignment) -> Json:
    return {
        "identity": assignment.identity.given(),
        "entry": assignment.entry,
        "by": assignment.by,
        "at": assignment.at,
    }
