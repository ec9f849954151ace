"""Machine configurations: the entries, which of them a machine would get, and assignments."""

from __future__ import annotations

import logging

from bootgrant.approval.operators import Actor, Refused, is_within, parse_labels
from bootgrant.operator_plane.api.call import Call, Json, Reply, refused
from bootgrant.operator_plane.api.guesses import count_wrong
from bootgrant.operator_plane.api.requests import by_code, entry_json
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.ports.configurations import ConfigUnavailable, SourceState
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity

log = logging.getLogger("bootgrant.operators")


async def entries(call: Call) -> Reply:
    """List the entries that machines can get, by name."""
    labels = parse_labels(call.query.get("label", ()))
    try:
        found = await call.plane.source.entries()
    except ConfigUnavailable as error:
        return refused(503, "no_config", problem_for(call.actor, str(error)))
    return Reply({"entries": [entry_json(entry) for entry in found if is_within(labels, entry.labels)]})


async def configurations(call: Call) -> Reply:
    """Show which revision of the configurations is served, since when, and why a newer one is not."""
    return Reply(state_json(call.plane.configurations.state(), call.actor))


def state_json(state: SourceState, actor: Actor) -> Json:
    """Return the state of the configurations as ``actor`` may read it."""
    return {
        "revision": state.revision,
        "taken_at": state.taken_at or None,
        "problem": problem_for(actor, state.problem),
        "since": state.since or None,
    }


async def accept_configurations(call: Call) -> Reply:
    """Serve a commit that does not follow the one that is served. With git.signers_file, such a commit is refused."""
    outcome = await call.plane.accept.accept(call.members["commit"], call.actor)
    if isinstance(outcome, Refused):
        return refused(409, "not_accepted", outcome.message)
    log.info("%s accepted the commit %s instead of %s", call.actor, outcome.commit, outcome.instead_of or "nothing")
    return Reply({"commit": outcome.commit, "instead_of": outcome.instead_of or None})


async def explain(call: Call) -> Reply:
    """Show which entry a machine with this identity would get, and why."""
    identity = MachineIdentity.from_claim(call.members)
    if not identity.identifies():
        problem = "identify the machine by uuid, serial or mac; placeholder values of firmware do not count"
        return refused(409, "unidentified", problem)
    try:
        found = await call.plane.assign.find_entry(identity)
    except ConfigUnavailable as error:
        return refused(503, "no_config", problem_for(call.actor, str(error)))
    return Reply(
        {
            "identity": identity.given(),
            "entry": entry_json(found.entry) if found else None,
            "assigned_by": found.assignment.by if found and found.assignment else None,
        }
    )


async def assignments(call: Call) -> Reply:
    """List the machines to which a person assigned an entry, newest first."""
    return Reply({"assignments": [_assignment_json(one) for one in await call.plane.assign.assignments.assignments()]})


async def assign(call: Call) -> Reply:
    """Assign an entry to a waiting machine that no entry matches. The machine still has to be approved."""
    grant = await by_code(call)
    if isinstance(grant, Reply):
        return grant
    outcome = await call.plane.assign.assign(grant.grant_id, call.members["entry"], call.actor)
    if isinstance(outcome, Refused):
        count_wrong(call)
    return _reply(call, outcome, "assigned")


async def unassign(call: Call) -> Reply:
    """Remove the assignment of a machine."""
    identity = MachineIdentity.from_claim(call.members)
    return _reply(call, await call.plane.assign.unassign(identity, call.actor), "unassigned")


def _reply(call: Call, outcome: Assignment | Refused, done: str) -> Reply:
    if isinstance(outcome, Refused):
        return refused(409, "not_assigned", outcome.message)
    log.info("%s %s the entry %s", call.actor, done, ascii(outcome.entry))
    return Reply(_assignment_json(outcome))


def _assignment_json(assignment: Assignment) -> Json:
    return {
        "identity": assignment.identity.given(),
        "entry": assignment.entry,
        "by": assignment.by,
        "at": assignment.at,
    }
