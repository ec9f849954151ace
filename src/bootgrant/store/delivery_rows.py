"""The last delivery of each entry as a row of either database."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Final

from bootgrant.approval.audit import AuditKind, ChainedEvent
from bootgrant.ports.deliveries import LastDelivery, NoPreview
from bootgrant.store.rows import Row, RowStore, Value, insert_into, listed
from bootgrant.wire.identity import MachineIdentity

_DELIVERY: Final = (
    "entry", "seq", "at", "address", "uuid", "serial", "mac", "hostname", "grant_id", "revision", "digest", "made",
)  # fmt: skip
_COLUMNS: Final = (*_DELIVERY, "preview", "no_preview")
_SELECT: Final = f"SELECT {listed(_DELIVERY)} FROM last_deliveries"
PUT_DELIVERY: Final = (
    f"{insert_into('last_deliveries', _COLUMNS)} ON CONFLICT (entry) DO UPDATE "
    f"SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])} WHERE excluded.seq > last_deliveries.seq"
)
"""Stores one of ``delivery_rows``, in the transaction that appends to the audit."""

_KEEP: Final = "UPDATE last_deliveries SET preview = ?, no_preview = ? WHERE entry = ? AND seq = ?"


def delivery_rows(records: Iterable[ChainedEvent]) -> list[tuple[Value, ...]]:
    """Return a row for each entry that was delivered in these records, in the order of the names."""
    newest = {
        record.event.entry: record
        for record in records
        if record.event.kind is AuditKind.DELIVERED and record.event.entry
    }
    return [_row(newest[name]) for name in sorted(newest)]


def _row(record: ChainedEvent) -> tuple[Value, ...]:
    event, machine = record.event, record.event.identity
    made = str(event.details.get("made_at_delivery", ""))
    return (
        event.entry, record.seq, event.at, event.address, machine.uuid, machine.serial, machine.mac, machine.hostname,
        event.grant_id, event.revision, event.digest, made, None, NoPreview.PENDING.value,
    )  # fmt: skip


class DeliveryRows(RowStore):
    """ports.deliveries.DeliveryStore. Previews are compressed."""

    async def last_deliveries(self) -> Sequence[LastDelivery]:
        return [_delivery(row) for row in await self._rows.read(_SELECT)]

    async def last_delivery(self, entry: str) -> LastDelivery | None:
        rows = await self._rows.read(f"{_SELECT} WHERE entry = ?", entry)
        return _delivery(rows[0]) if rows else None

    async def preview_of(self, delivery: LastDelivery) -> str | NoPreview:
        found = "SELECT preview, no_preview FROM last_deliveries WHERE entry = ? AND seq = ?"
        rows = await self._rows.read(found, delivery.entry, delivery.seq)
        preview, why = rows[0] if rows else (None, NoPreview.CHANGED)
        if preview is None:
            return NoPreview(why)
        return zlib.decompress(preview).decode("utf-8", "surrogatepass")

    async def without_preview(self, limit: int) -> Sequence[LastDelivery]:
        pending = f"{_SELECT} WHERE no_preview = 'pending' ORDER BY seq LIMIT ?"
        return [_delivery(row) for row in await self._rows.read(pending, limit)]

    async def keep_preview(self, delivery: LastDelivery, preview: str | NoPreview) -> None:
        kept, why = (None, preview.value) if isinstance(preview, NoPreview) else (_compressed(preview), "")
        await self._rows.write((_KEEP, (kept, why, delivery.entry, delivery.seq)))


def _compressed(text: str) -> bytes:
    return zlib.compress(text.encode("utf-8", "surrogatepass"))


def _delivery(row: Row) -> LastDelivery:
    entry, seq, at, address, uuid, serial, mac, hostname, *rest = row
    return LastDelivery(entry, seq, at, address, MachineIdentity(uuid, serial, mac, hostname), *rest)
