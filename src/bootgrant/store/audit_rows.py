"""Audit records as rows: the columns, the filter as a WHERE clause, and the reading that both databases share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, ClassVar, Final

from bootgrant.approval.audit import AuditKind, ChainedEvent, read_record
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.wire.identity import MachineIdentity, swapped_uuid

AUDIT: Final = ("seq", "at", "kind", "actor", "grant_id", "entry", "uuid", "serial", "mac", "line", "digest")
_NONE: Final = "SELECT seq FROM audit WHERE FALSE"
_FEW: Final = 20_000
"""Events of a time that are looked at to limit a search."""
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
        span = await self._span(which)
        if before is not None:
            span = [*span, ("<", before)]
        found, values = _found(which, span, self.collation, limit)
        statement = f"SELECT line, digest FROM audit WHERE seq IN ({found}) ORDER BY seq DESC LIMIT ?"
        return [read_row(*row) for row in await self.read(statement, *values, limit)]

    async def count(self, which: AuditFilter, most: int) -> int:
        found, values = _found(which, await self._span(which), self.collation, most)
        [(count,)] = await self.read(f"SELECT count(*) FROM ({found}) AS found", *values)
        return min(int(count), most)

    async def _span(self, which: AuditFilter) -> list[tuple[str, int]]:
        """Return the limits that the times set to the numbers, if few events are of these times.

        With many, the newest ones are found soon anyway. The numbers of events need not be in the order of their times.
        """
        if which.since is None:
            return []
        until, values = ("", [which.since]) if which.until is None else (" AND at < ?", [which.since, which.until])
        few = f"SELECT seq FROM audit WHERE at >= ?{until} ORDER BY at LIMIT ?"
        [(count, first, last)] = await self.read(
            f"SELECT count(*), min(seq), max(seq) FROM ({few}) AS few", *values, _FEW + 1
        )
        return [(">=", int(first or 0)), ("<=", int(last or 0))] if count <= _FEW else []

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        while rows := await self.read(_PAGE, first):
            yield [(line, digest) for line, digest, _ in rows]
            first = rows[-1][2] + 1


def read_row(line: str, digest: str) -> ChainedEvent:
    """Return a stored record with its stored digest, which `bootgrant audit verify` checks.

    Raises StoreUnavailable when the line cannot be read: it was changed, or a newer version wrote it.
    """
    try:
        record = read_record(line)
    except ValueError as error:
        raise StoreUnavailable("an audit record cannot be read: run `bootgrant audit verify` to find it") from error
    return ChainedEvent(record.seq, record.event, line, digest)


def _found(which: AuditFilter, span: Sequence[tuple[str, int]], collation: str, limit: int) -> tuple[str, list[object]]:
    """Return a SELECT of the numbers of at least as many matching records as wanted, and its values.

    Each part of it reads one index from its end: a rare kind is found among many events without reading them.
    """
    where, values = _condition(which, collation)
    where = " AND ".join([*(f"seq {sign} ?" for sign, _ in span), where])
    values = [*(number for _, number in span), *values]
    kinds = _kinds(which)
    if kinds is not None and _is_by_kind(which):
        one = f"SELECT seq FROM audit WHERE kind = ? AND {where} ORDER BY seq DESC LIMIT ?"
        parts = [f"SELECT seq FROM ({one}) AS kind_{number}" for number in range(len(kinds))]
        return " UNION ALL ".join(parts) or _NONE, [value for kind in kinds for value in (kind, *values, limit)]
    if kinds is not None:
        # The index of the kinds would lead through all events of common ones.
        where = f"{where} AND kind || '' IN ({', '.join('?' * len(kinds)) or 'NULL'})"
        values = [*values, *kinds]
    return f"SELECT seq FROM (SELECT seq FROM audit WHERE {where} ORDER BY seq DESC LIMIT ?) AS found", [*values, limit]


def _kinds(which: AuditFilter) -> list[str] | None:
    """Return the kinds that a filter wants, or None if it wants all."""
    if not which.kinds and not which.without:
        return None
    return [kind.value for kind in which.kinds or AuditKind if kind not in which.without]


def _is_by_kind(which: AuditFilter) -> bool:
    """Return whether the kinds are what narrows the search most: nothing else that has an index is asked for."""
    return not (which.actor or which.grant_id or which.entry or which.machine is not None)


def _condition(which: AuditFilter, collation: str) -> tuple[str, list[object]]:
    """Return the WHERE clause of a filter without its kinds, and its values."""
    parts: list[str] = []
    values: list[object] = []

    def require(part: str, *given: object) -> None:
        parts.append(part)
        values.extend(given)

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
    return " AND ".join(parts) or "TRUE", values
