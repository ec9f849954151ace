"""Audit records, assignments and windows as rows: the columns that every SQL store has, and the audit's filters."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Sequence
from typing import Any, Final

from bootgrant.approval.audit import ChainedEvent, read_record
from bootgrant.approval.operators import Author
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.decisions import Assignment
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.store.people.rows import Value
from bootgrant.wire.identity import MachineIdentity

AUDIT: Final = ("seq", "at", "kind", "actor", "grant_id", "entry", "uuid", "serial", "mac", "line", "digest")
ASSIGNMENT: Final = ("identity_key", "uuid", "serial", "mac", "entry", "assigned_by", "at")
WINDOW: Final = (
    "window_id",
    "name",
    "conditions",
    "armed_by",
    "author",
    "author_via",
    "armed_at",
    "until",
    "count",
    "used",
)
PAGE: Final = 1000
"""Records that are read at once when the whole chain is."""


def audit_row(record: ChainedEvent) -> tuple[object, ...]:
    """The values of AUDIT."""
    event, who = record.event, record.event.identity
    found_by = (event.actor, event.grant_id, event.entry, who.uuid, who.serial, who.mac)
    return (record.seq, event.at, event.kind.value, *(text or None for text in found_by), record.line, record.digest)


def audit_record(line: str, digest: str) -> ChainedEvent:
    """A record as it was kept; its digest is the one of the row, whether it fits or not.

    Raises StoreUnavailable when it is none: somebody has changed it, or a newer version wrote it.
    """
    try:
        record = read_record(line)
    except ValueError as error:
        raise StoreUnavailable("a record of the audit cannot be read; `bootgrant audit verify` says which") from error
    return ChainedEvent(record.seq, record.event, line, digest)


def audit_condition(which: AuditFilter, before: int | None, mark: str, collation: str = "") -> tuple[str, list[object]]:
    """The WHERE of a filter and its values; ``mark`` is how the database writes a parameter, ``collation`` how it is
    told to compare texts by their bytes."""
    parts: list[str] = []
    values: list[object] = []

    def hold(part: str, *given: object) -> None:
        parts.append(part.replace("?", mark))
        values.extend(given)

    if which.kinds:
        hold(f"kind IN ({', '.join('?' * len(which.kinds))})", *(kind.value for kind in which.kinds))
    if which.actor:
        # "ana (passkey)": what begins with "ana (" is behind that, and before the same text with the next sign.
        begins = f"(actor{collation} >= ? AND actor{collation} < ?)"
        hold(f"(actor = ? OR {begins})", which.actor, f"{which.actor} (", f"{which.actor} )")
    for column, text in (("grant_id", which.grant_id), ("entry", which.entry)):
        if text:
            hold(f"{column} = ?", text)
    if which.machine is not None:
        given = {name: value for name, value in which.machine.given().items() if name in MachineIdentity.STRONG}
        hold(f"({' OR '.join(f'{name} = ?' for name in given) or 'FALSE'})", *given.values())
    if which.since is not None:
        hold("at >= ?", which.since)
    if which.until is not None:
        hold("at < ?", which.until)
    if before is not None:
        hold("seq < ?", before)
    return " AND ".join(parts) or "TRUE", values


def assignment_row(assignment: Assignment) -> tuple[Value, ...]:
    """The values of ASSIGNMENT."""
    who = assignment.identity
    return (who.key, who.uuid, who.serial, who.mac, assignment.entry, assignment.by, assignment.at)


def assignment_from(row: Sequence[Any]) -> Assignment:
    """The assignment whose ASSIGNMENT columns these are."""
    _, uuid, serial, mac, entry, by, at = row
    return Assignment(MachineIdentity(uuid, serial, mac), entry, by, at)


def window_row(window: Window) -> tuple[Value, ...]:
    """The values of WINDOW."""
    conditions = json.dumps(
        {
            "select": [str(selector) for selector in window.conditions.select],
            "networks": [str(network) for network in window.conditions.networks],
            "evidence": list(window.conditions.evidence),
        }
    )
    return (
        window.window_id, window.name, conditions, window.by, window.author.name, window.author.via, window.armed_at,
        window.until, window.count, window.used,
    )  # fmt: skip


def window_from(row: Sequence[Any]) -> Window:
    """The window whose WINDOW columns these are."""
    window_id, name, told, _, author, via, armed_at, until, count, used = row
    members = json.loads(told)
    conditions = Conditions(
        tuple(parse_selector(text) for text in members["select"]),
        tuple(ipaddress.ip_network(text) for text in members["networks"]),
        tuple(members["evidence"]),
    )
    return Window(window_id, name, conditions, Author(author, via), armed_at, until, count, used)
