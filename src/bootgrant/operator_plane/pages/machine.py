"""``/machines/<entry>``: one entry, what happened to it, what it gets, and what has changed since it was delivered."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import RedirectResponse, Response

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Actor, Refused
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.machine_view import reported
from bootgrant.operator_plane.pages.machines import page_of, row_of
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import problem_for
from bootgrant.operator_plane.wording import text
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.grants import Assignment
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.machines import Changes, Difference, Machine

log = logging.getLogger("bootgrant.operators")

_MOST_UNKNOWN: Final = 20


@dataclass(frozen=True, slots=True)
class DiffLine:
    """A line of a diff; ``kind`` is "added", "removed", "place", or "same"."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class ChangesView:
    """What has changed since the last delivery, in words and lines."""

    title: str
    note: str
    lines: tuple[DiffLine, ...] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Configuration:
    """What people who may see configurations see of this one: a preview or why there is none, and the changes."""

    preview: str
    problem: str
    changes: ChangesView


async def show(visit: Visit) -> Response:
    """Show the entry of the path."""
    return await _page(visit)


async def assign(visit: Visit) -> Response:
    """Assign the entry to a waiting machine that has none. The machine still has to be approved."""
    outcome = await visit.plane.assign.assign(visit.form.get("request", ""), _name(visit), actor_of(visit))
    if isinstance(outcome, Refused):
        return await _page(visit, outcome.message)
    log.info("%r assigned %s on its page", visit.operator, ascii(outcome.entry))
    return RedirectResponse(page_of(_name(visit)), 303)


async def unassign(visit: Visit) -> Response:
    """Remove an assignment of this entry. Approvals stay."""
    given = {name: visit.form.get(name, "") for name in MachineIdentity.STRONG}
    outcome = await visit.plane.assign.unassign(MachineIdentity.from_claim(given), actor_of(visit))
    if isinstance(outcome, Refused):
        return await _page(visit, outcome.message)
    log.info("%r removed an assignment of %s", visit.operator, ascii(outcome.entry))
    return RedirectResponse(page_of(_name(visit)), 303)


def _name(visit: Visit) -> str:
    name: str = visit.request.path_params["entry"]
    return name


async def _page(visit: Visit, refusal: str = "") -> Response:
    actor, name, machines = actor_of(visit), _name(visit), visit.plane.machines
    try:
        machine = await machines.one(name)
    except ConfigUnavailable as error:
        return visit.error(error_pages.no_machines(problem_for(actor, str(error))))
    if machine is None:
        return visit.error(error_pages.no_entry(name[:128]))
    row = row_of(machine)
    return visit.page(
        "machine.html",
        status=409 if refusal else 200,
        row=replace(row, problem=problem_for(actor, row.problem)),
        machine=machine,
        page=page_of(name),
        refusal=refusal,
        story=_story([record.event for record in await machines.story(name)]),
        shown_for=reported(machine.identity) if machine.identity else None,
        configuration=await _configuration(visit, machine) if is_allowed(actor, Permission.CONFIGURATIONS) else None,
        assigned=_assigned(machine, actor),
        unknown=await _unknown(visit, machine, actor),
    )


def _story(events: Sequence[AuditEvent]) -> list[tuple[AuditEvent, tuple[str, str] | None]]:
    """Return events with what identifies their machine."""
    return [(event, reported(event.identity)) for event in events]


def _assigned(machine: Machine, actor: Actor) -> list[tuple[Assignment, bool]]:
    """Return the machines that the entry is assigned to, each with whether ``actor`` may change that."""
    may_unassign = actor.may_decide_about(machine.entry.labels)
    return [(assignment, may_unassign) for assignment in machine.assigned]


async def _unknown(visit: Visit, machine: Machine, actor: Actor) -> Sequence[DeviceGrant]:
    """Return the waiting requests that ``actor`` may assign this entry to."""
    # A machine without an entry has no labels.
    if machine.entry.problem or not (actor.may_decide_about({}) and actor.may_decide_about(machine.entry.labels)):
        return ()
    return (await visit.plane.machines.unknown())[:_MOST_UNKNOWN]


async def _configuration(visit: Visit, machine: Machine) -> Configuration:
    preview, problem = "", ""
    try:
        shown = await visit.plane.decide.source.preview(machine.entry.name, machine.identity)
        preview, problem = (shown, "") if shown is not None else ("", text("preview.gone"))
    except ConfigUnavailable as error:
        problem = str(error)
    return Configuration(preview, problem, changes_view(await visit.plane.machines.changes(machine.entry.name)))


def changes_view(changes: Changes) -> ChangesView:
    """Return what has changed, for a person who may see configurations."""
    note = changes.problem
    if changes.what is Difference.UNKNOWN and changes.why is not None:
        note = text(f"changes.why_{changes.why.value}")
    elif changes.made:
        note = text("changes.made_note", names=changes.made)
    elif changes.what in (Difference.SHOWN, Difference.HIDDEN):
        note = text("changes.hidden_note")
    lines = tuple(DiffLine(_kind(line), line) for line in changes.lines[2:])
    return ChangesView(text(f"changes.is_{changes.what.value}"), note, lines, changes.more)


def _kind(line: str) -> str:
    return {"+": "added", "-": "removed", "@": "place"}.get(line[:1], "same")
