"""``/audit/export``: the events of a filter as a file, newest first: CSV for a spreadsheet, or JSON Lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response, StreamingResponse

from bootgrant.approval.audit import AuditEvent, ChainedEvent
from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.api.audit import event_json
from bootgrant.operator_plane.pages.audit import mismatches
from bootgrant.operator_plane.pages.audit_filter import read_filter
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import event_for
from bootgrant.operator_plane.wording import machine_time
from bootgrant.ports.audit import AuditFilter, AuditLog

MOST: Final = 100_000
"""Events in one file. With times, the rest fits into other files; `bootgrant audit export` has no limit."""

_PAGE: Final = 500
_COLUMNS: Final = (
    "time", "number", "kind", "person", "via", "entry", "revision", "serial", "mac", "uuid", "hostname", "address",
    "request", "reason", "sha256", "mismatches", "details",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet take a text for a formula."""


async def show(visit: Visit) -> Response:
    """Return the file. The filter is that of the page, so folded requests are left out here too."""
    which, actor = (await read_filter(visit)).shown, actor_of(visit)
    is_csv = visit.query("format") != "jsonl"
    write: Callable[[Sequence[ChainedEvent], Actor], str] = _csv if is_csv else _json_lines
    # The first page is read before the answer begins, so a store that is down gives an error page.
    first = await visit.plane.audit.newest(which, _PAGE)

    async def content() -> AsyncIterator[str]:
        if is_csv:
            yield _line(_COLUMNS)
        async for records in _pages(visit.plane.audit, which, first):
            yield write(records, actor)

    stamp = datetime.fromtimestamp(visit.plane.clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    site = re.sub(r"[^a-z0-9.]+", "-", visit.plane.look.name.lower()).strip("-.") or "site"
    name = f"bootgrant-audit-{site}-{stamp}.{'csv' if is_csv else 'jsonl'}"
    return StreamingResponse(
        content(),
        media_type="text/csv; charset=utf-8" if is_csv else "application/jsonl",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


async def _pages(
    audit: AuditLog, which: AuditFilter, records: Sequence[ChainedEvent]
) -> AsyncIterator[Sequence[ChainedEvent]]:
    for _ in range(MOST // _PAGE):
        yield records
        if len(records) < _PAGE:
            return
        records = await audit.newest(which, _PAGE, records[-1].seq)


def _json_lines(records: Sequence[ChainedEvent], actor: Actor) -> str:
    return "".join(json.dumps(event_json(record, actor), separators=(",", ":")) + "\n" for record in records)


def _csv(records: Sequence[ChainedEvent], actor: Actor) -> str:
    return "".join(_line(_values(record, event_for(actor, record.event))) for record in records)


def _values(record: ChainedEvent, event: AuditEvent) -> tuple[str, ...]:
    """Return the values of _COLUMNS."""
    machine = event.identity
    return (
        machine_time(event.at), str(record.seq), event.kind.value, event.actor, event.via, event.entry, event.revision,
        machine.serial, machine.mac, machine.uuid, machine.hostname, event.address, event.grant_id, event.reason,
        event.digest, mismatches(event), json.dumps(dict(event.details)) if event.details else "",
    )  # fmt: skip


def _line(values: Sequence[str]) -> str:
    """Return a line of CSV (RFC 4180) whose texts no spreadsheet takes for a formula."""
    line = io.StringIO()
    # A lone surrogate of a hostile machine cannot be encoded.
    safe = (value.encode("utf-8", "backslashreplace").decode() for value in values)
    csv.writer(line).writerow(f"'{value}" if value.startswith(_FORMULA) else value for value in safe)
    return line.getvalue()
