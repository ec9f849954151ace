"""``/audit``: the events, newest first, with filters; the story of a machine or a person. Without secrets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainedEvent
from bootgrant.approval.changed_rights import RIGHTS, has_rights, rights_in
from bootgrant.approval.claim_reasons import explained_details
from bootgrant.approval.evidence import Verdict
from bootgrant.operator_plane.pages.audit_filter import GROUPS, LENGTH, SPANS, Asked, read_filter
from bootgrant.operator_plane.pages.machine_view import reported
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import event_for
from bootgrant.operator_plane.wording import text
from bootgrant.wire.identity import MachineIdentity

_PAGE: Final = 50
_MOST_COUNTED: Final = 1000
_HIDDEN: Final = frozenset({"asked", "voted", "client", "size", "delivery", *RIGHTS})
"""Details that are only for programs, or shown in another form."""
_MARKS: Final = {
    AuditKind.APPROVED: ("✓", "good"),
    AuditKind.DELIVERED: ("✓", "good"),
    AuditKind.DENIED: ("✕", "off"),
    AuditKind.REVOKED: ("✕", "off"),
    AuditKind.OTHER_ADDRESS: ("▲", "amber"),
    AuditKind.CODE_AGAIN: ("▲", "amber"),
    AuditKind.STORM: ("▲", "amber"),
    AuditKind.SIGN_IN_REFUSED: ("✕", "off"),
    AuditKind.TOKEN_REFUSED: ("✕", "off"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """``machine`` is the name of a variable and its value, ``facts`` are names and values; both are untrusted."""

    event: AuditEvent
    machine: tuple[str, str] | None
    facts: list[tuple[str, str]]

    @property
    def mark(self) -> tuple[str, str]:
        return _MARKS.get(self.event.kind, ("·", "off"))

    @property
    def machine_link(self) -> str:
        """The story of the machine, or "" if it reports no more than a hostname, which identifies no machine."""
        name = _found_by(self.event.identity)
        return _story("machine", name) if name else ""

    @property
    def person_link(self) -> str:
        return _story("who", self.event.actor)


async def show(visit: Visit) -> Response:
    """Show events by ``?what=decisions&who=ana&entry=cp-1&span=today``, older than the number ``before``."""
    asked, actor = await read_filter(visit), actor_of(visit)
    before = _before(visit.query("before"))
    found = await visit.plane.audit.newest(asked.shown, _PAGE + 1, before)
    rows = [_row(event_for(actor, record.event)) for record in found[:_PAGE]]
    folded = await visit.plane.audit.count(asked.folded, _MOST_COUNTED + 1) if asked.folds else 0
    may_undo = is_allowed(actor, Permission.ADMIN_OF_ALL)
    return visit.page(
        "audit.html",
        rows=rows,
        asked=asked,
        title=_title(asked),
        groups=tuple(GROUPS),
        spans=tuple(SPANS),
        folded=min(folded, _MOST_COUNTED),
        is_more=folded > _MOST_COUNTED,
        related=_related(asked, rows),
        older=_older(asked, found),
        newest=asked.link() if before else "",
        find=asked.fields["entry"] or asked.fields["machine"],
        since=_field(None if asked.fields["span"] else asked.since),
        until=_field(asked.until),
        may_see_refused=is_allowed(actor, Permission.ACCOUNTS),
        may_undo=may_undo,
        undo_query=f"?{urlencode({'by': asked.fields['who']})}" if asked.fields["who"] else "",
    )


def _before(words: str) -> int | None:
    number = int(words) if words.isascii() and words.isdigit() and len(words) < 17 else 0
    return number if 0 < number < 2**53 else None


def _older(asked: Asked, found: Iterable[ChainedEvent]) -> str:
    records = list(found)
    return asked.link(before=str(records[_PAGE - 1].seq)) if len(records) > _PAGE else ""


def _field(at: float | None) -> str:
    """Format a time for a field of the type datetime-local, in UTC."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M")


def _title(asked: Asked) -> tuple[str, str]:
    """Return the name of the heading's text, and the untrusted name in it, which is empty for the plain page."""
    if asked.is_story:
        for name in ("who", "entry", "machine"):
            if asked.fields[name]:
                return f"audit.story_{name}", asked.fields[name]
    return "audit.title", ""


def _related(asked: Asked, rows: Iterable[Row]) -> list[tuple[str, str]]:
    """Return links with their untrusted texts: from the story of an entry to its machines, and the other way round."""
    if asked.fields["entry"]:
        machines = dict.fromkeys(name for row in rows if (name := _found_by(row.event.identity)))
        return [(_story("machine", name), name) for name in machines]
    if asked.fields["machine"]:
        entries = dict.fromkeys(row.event.entry for row in rows if row.event.entry)
        return [(_story("entry", name), name) for name in entries]
    return []


def _found_by(identity: MachineIdentity) -> str:
    """Return the serial, MAC or UUID by which the events of a machine are found, or ""."""
    given = identity.given()
    return next((given[name] for name in ("serial", "mac", "uuid") if given.get(name)), "")


def _story(name: str, value: str) -> str:
    """Return the address of a story. What a machine reported may be no valid Unicode."""
    return f"/audit?{urlencode({name: value[:LENGTH]}, errors='replace')}"


def _row(event: AuditEvent) -> Row:
    return Row(event, reported(event.identity), _facts(event))


def _facts(event: AuditEvent) -> list[tuple[str, str]]:
    """Return pairs of a name and a possibly untrusted text."""
    values = {
        "entry": f"{event.entry} @ {event.revision[:12]}" if event.revision else event.entry,
        "address": event.address,
        "via": event.via,
        "reason": event.reason,
        "sha256": event.digest[:16],
        "mismatches": mismatches(event),
    }
    facts = [(text(f"audit.fact_{name}"), value) for name, value in values.items() if value]
    hidden = _HIDDEN | explained_details(event.details)
    details = [(name.replace("_", " "), str(value)) for name, value in event.details.items() if name not in hidden]
    return facts + details + _rights(event)


def mismatches(event: AuditEvent) -> str:
    """Return the evidence against the machine on one line."""
    return "; ".join(check.detail for check in event.evidence if check.verdict is Verdict.MISMATCH)


def _rights(event: AuditEvent) -> list[tuple[str, str]]:
    """Return what an operator or a token could do before and after the change."""
    if not has_rights(event.details):
        return []
    before, after = (rights or text("audit.no_rights") for rights in rights_in(event.details))
    return [(text("audit.fact_before"), before), (text("audit.fact_after"), after)]
