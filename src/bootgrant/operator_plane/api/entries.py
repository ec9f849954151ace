"""Every entry with its state, and one entry with its history, its configuration, and what has changed in that."""

from __future__ import annotations

from typing import Final

from bootgrant.approval.operators import Actor, is_within, parse_labels
from bootgrant.operator_plane.api.audit import event_json
from bootgrant.operator_plane.api.call import ApiPlane, ApiRoute, Call, Json, Reply, refused
from bootgrant.operator_plane.api.machines import assignment_json
from bootgrant.operator_plane.api.requests import entry_json
from bootgrant.operator_plane.api.shapes import (
    COMPONENTS,
    COUNT,
    IDENTITY,
    LABEL,
    TEXT,
    TIME,
    Schema,
    array,
    nullable,
    record,
    ref,
)
from bootgrant.operator_plane.permissions import Permission
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.deliveries import LastDelivery, NoPreview
from bootgrant.workflows.decide.machines import Changes, Difference, Machine, MachineState


async def entries(call: Call) -> Reply:
    """List the entries that machines can get, by name, each with its state and its last delivery."""
    labels = parse_labels(call.query.get("label", ()))
    try:
        found = await call.plane.machines.every()
    except ConfigUnavailable as error:
        return refused(503, "no_config", problem_for(call.actor, str(error)))
    return Reply({"entries": [_machine_json(one, call.actor) for one in found if is_within(labels, one.entry.labels)]})


async def entry(call: Call) -> Reply:
    """Show one entry with its assignments and its newest events in the audit."""
    name = call.path["name"]
    try:
        machine = await call.plane.machines.one(name)
    except ConfigUnavailable as error:
        return refused(503, "no_config", problem_for(call.actor, str(error)))
    if machine is None:
        return _no_entry(name)
    return Reply(
        {
            "entry": _machine_json(machine, call.actor),
            "assignments": [assignment_json(assignment) for assignment in machine.assigned],
            "events": [event_json(one, call.actor) for one in await call.plane.machines.story(name)],
        }
    )


async def entry_configuration(call: Call) -> Reply:
    """Show what an entry's machine would get, with secrets removed, and what has changed since the last delivery."""
    name = call.path["name"]
    try:
        machine = await call.plane.machines.one(name)
        text = await call.plane.source.preview(name, machine.identity) if machine else None
    except ConfigUnavailable as error:
        return refused(409, "no_config", str(error))
    if text is None:
        return _no_entry(name)
    return Reply({"entry": name, "text": text, "changes": _changes_json(await call.plane.machines.changes(name))})


def entry_of_files(entry: MachineEntry) -> Json:
    """Return an entry in the form of ``entries``, without what only a server knows."""
    known = {"state": MachineState.BROKEN.value if entry.problem else None, "problem": entry.problem}
    return entry_json(entry) | known | {"last_delivery": None, "requests": [], "assigned_by": None}


def _no_entry(name: str) -> Reply:
    return refused(404, "no_entry", f"there is no entry {name[:128]!r}: `bootgrant machines list` shows all of them")


def _machine_json(machine: Machine, actor: Actor) -> Json:
    return entry_json(machine.entry) | {
        "state": machine.state.value,
        "problem": problem_for(actor, machine.entry.problem),
        "last_delivery": None if machine.last is None else _delivery_json(machine.last),
        "requests": [grant.grant_id for grant in (*machine.waiting, *machine.approved)],
        "assigned_by": machine.assigned[0].by if machine.assigned else None,
    }


def _delivery_json(last: LastDelivery) -> Json:
    return {
        "at": last.at,
        "address": last.address,
        "identity": last.identity.given(),
        "request": last.grant_id or None,
        "revision": last.revision,
        "sha256": last.digest,
    }


def _changes_json(changes: Changes) -> Json:
    return {
        "what": changes.what.value,
        "lines": list(changes.lines),
        "more": changes.more,
        "made": changes.made,
        "no_preview": changes.why.value if changes.why is not None else None,
        "problem": changes.problem,
    }


BY_LABEL: Final[Schema] = {
    **array(LABEL),
    "maxItems": 32,
    "description": 'Only machines whose entry has this label, such as "site=fra". May be repeated.',
}
_MACHINE: Final = record(
    **COMPONENTS["Entry"]["properties"],
    state={
        "type": "string",
        "enum": [state.value for state in MachineState],
        "description": "The first that is true, in this order. new: never delivered.",
    },
    problem={**TEXT, "description": "Why the entry cannot be served, or empty if it can."},
    last_delivery=nullable(
        record(
            at=TIME, address=TEXT, identity=IDENTITY, request=nullable(TEXT), revision=TEXT,
            sha256={**TEXT, "description": "Of the delivered bytes."},
        )
    ),
    requests={**array(TEXT), "description": "The ids of its requests that are pending, or approved and not delivered."},
    assigned_by={**nullable(TEXT), "description": "Who assigned the entry last, or null."},
)  # fmt: skip
_CHANGES: Final = record(
    what={
        "type": "string",
        "enum": [what.value for what in Difference],
        "description": "shown: see lines. hidden: only secrets or free text differ. made: what can be compared is the "
        "same, but values are made at delivery. unknown: it differs, and no_preview says why there are no lines.",
    },
    lines={**array(TEXT), "description": "A unified diff of the configuration with secrets removed."},
    more={**COUNT, "description": "Lines of the diff that were left out."},
    made={**TEXT, "description": "The variables whose values are made at delivery, which are not compared."},
    no_preview=nullable({"type": "string", "enum": [why.value for why in NoPreview]}),
    problem={**TEXT, "description": "Why the configuration cannot be made now, or empty if it can."},
)
ENTRY_ROUTES: Final[tuple[ApiRoute[ApiPlane], ...]] = (
    ApiRoute(
        "GET", "/api/v1/machines", Permission.SIGNED_IN, entries, record(entries=array(_MACHINE)),
        query={"label": BY_LABEL},
    ),
    ApiRoute(
        "GET", "/api/v1/entries/{name}", Permission.SIGNED_IN, entry,
        record(entry=_MACHINE, assignments=array(ref("Assignment")), events=array(ref("Event"))), refusals=(404,),
    ),
    ApiRoute(
        "GET", "/api/v1/entries/{name}/configuration", Permission.CONFIGURATIONS, entry_configuration,
        record(
            entry=TEXT, text={**TEXT, "description": "The configuration, with secrets removed."}, changes=_CHANGES
        ),
        refusals=(404, 409),
    ),
)  # fmt: skip
"""The routes of entries."""
