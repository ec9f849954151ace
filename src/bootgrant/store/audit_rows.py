"""Audit records as rows: the columns, the filter as a WHERE clause, and the reading that both databases share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, Final

from bootgrant.approval.audit import ChainedEvent, read_record
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.identity import MachineIdentity, swapped_uuid

AUDIT: Final = ("seq", "at", "kind", "actor", "grant_id", "entry", "uuid", "serial", "mac", "line", "digest")
_PAGE: Final = "SELECT line, digest, seq FROM audit WHERE seq >= ? ORDER BY seq LIMIT 1000"


def audit_row(record: ChainedEvent) -> tuple[object, ...]:
    """Return the values of AUDIT."""
    event, machine = record.event, record.event.identity
    searched = (event.actor, event.grant_id, event.entry, machine.uuid, machine.serial, machine.mac)
    return (record.seq, event.at, event.kind.value, *(text or None for text in searched), record.line, record.digest)


class AuditReader(ABC):
    """The reading half of ports.audit.AuditLog."""

    collation: ClassVar[str] = ""
    """How the database's SQL compares texts by their bytes."""

    @abstractmethod
    async def read(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        """Run a SELECT with ``?`` for each value. Raises StoreUnavailable."""

    async def newest(self, which: AuditFilter, limit: int, before: int | None = None) -> Sequence[ChainedEvent]:
        where, values = _condition(which, before, self.collation)
        statement = f"SELECT line, digest FROM audit WHERE {where} ORDER BY seq DESC LIMIT ?"
        return [_record(*row) for row in await self.read(statement, *values, limit)]

    async def count(self, which: AuditFilter, most: int) -> int:
        where, values = _condition(which, None, self.collation)
        statement = f"SELECT count(*) FROM (SELECT 1 FROM audit WHERE {where} LIMIT ?) AS found"
        [(count,)] = await self.read(statement, *values, most)
        return int(count)

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        while rows := await self.read(_PAGE, first):
            yield [(line, digest) for line, digest, _ in rows]
            first = rows[-1][2] + 1


def _record(line: str, digest: str) -> ChainedEvent:
    """Return a stored record with its stored digest, which `bootgrant audit verify` checks.

    Raises StoreUnavailable when the line cannot be read: it was changed, or a newer version wrote it.
    """
    try:
        record = read_record(line)
    except ValueError as error:
        raise StoreUnavailable("an audit record cannot be read: run `bootgrant audit verify` to find it") from error
    return ChainedEvent(record.seq, record.event, line, digest)


def _condition(which: AuditFilter, before: int | None, collation: str) -> tuple[str, list[object]]:
    """Return the WHERE clause of a filter and its values."""
    parts: list[str] = []
    values: list[object] = []

    def require(part: str, *given: object) -> None:
        parts.append(part)
        values.extend(given)

    if which.kinds:
        require(f"kind IN ({', '.join('?' * len(which.kinds))})", *(kind.value for kind in which.kinds))
    if which.without:
        listed = ", ".join("?" * len(which.without))
        require(f"kind NOT IN ({listed})", *(kind.value for kind in which.without))
    if which.actor:
        # "ana" also finds "ana (passkey)": every text that begins with "ana (" sorts from there to "ana )".
        begins = f"(actor{collation} >= ? AND actor{collation} < ?)"
        require(f"(actor = ? OR {begins})", which.actor, f"{which.actor} (", f"{which.actor} )")
    for column, text in (("grant_id", which.grant_id), ("entry", which.entry)):
        if text:
            require(f"{column} = ?", text)
    if which.machine is not None:
        given = [pair for pair in which.machine.given().items() if pair[0] in MachineIdentity.STRONG]
        if which.machine.uuid:
            # Firmware disagrees about the byte order of a UUID, and a machine must not lose its history by that.
            given.append(("uuid", swapped_uuid(which.machine.uuid)))
        require(f"({' OR '.join(f'{name} = ?' for name, _ in given) or 'FALSE'})", *(value for _, value in given))
    if which.since is not None:
        require("at >= ?", which.since)
    if which.until is not None:
        require("at < ?", which.until)
    if before is not None:
        require("seq < ?", before)
    return " AND ".join(parts) or "TRUE", values
