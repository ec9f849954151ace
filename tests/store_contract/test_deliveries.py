"""The contract of every store of last deliveries: one for each entry, stored with its audit record."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.ports.deliveries import LastDelivery, NoPreview
from bootgrant.store.database import Database
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID

pytestmark = pytest.mark.anyio
MACHINE = MachineIdentity(UUID, "SN\\1\0", MAC, "host\\name")


def delivery(entry: str = "cp-1", at: float = NOW, digest: str = "d" * 64) -> AuditEvent:
    return AuditEvent(
        at, AuditKind.DELIVERED, "", "", "g1", MACHINE, "10.20.0.11", entry, "4f2c9ab", digest,
        details={"made_at_delivery": "join_key"},
    )  # fmt: skip


async def test_a_delivery_is_found_as_it_was_recorded(database: Database) -> None:
    await database.audit.append([AuditEvent(NOW, AuditKind.OPENED), delivery()])
    expected = LastDelivery("cp-1", 2, NOW, "10.20.0.11", MACHINE, "g1", "4f2c9ab", "d" * 64, "join_key")
    assert await database.deliveries.last_deliveries() == [expected]
    assert await database.deliveries.last_delivery("cp-1") == expected
    assert await database.deliveries.last_delivery("cp-2") is None


async def test_the_last_delivery_of_each_entry_replaces_earlier_ones(database: Database) -> None:
    await database.audit.append([delivery(at=NOW), delivery("cp-2"), delivery(at=NOW + 1)])
    await database.audit.append([delivery(at=NOW + 2), AuditEvent(NOW + 3, AuditKind.APPROVED, entry="cp-2")])
    found = await database.deliveries.last_deliveries()
    assert {(one.entry, one.seq, one.at) for one in found} == {("cp-1", 4, NOW + 2), ("cp-2", 2, NOW)}


async def test_a_preview_is_pending_until_it_is_kept(database: Database) -> None:
    await database.audit.append([delivery("cp-2"), delivery("cp-1")])
    first, second = await database.deliveries.without_preview(5)
    assert (first.entry, second.entry) == ("cp-2", "cp-1")
    assert await database.deliveries.without_preview(1) == [first]
    await database.deliveries.keep_preview(first, "machine: {type: wörker}\ud800\n")
    await database.deliveries.keep_preview(second, NoPreview.FAILED)
    assert await database.deliveries.without_preview(5) == []
    assert await database.deliveries.preview_of(first) == "machine: {type: wörker}\ud800\n"
    assert await database.deliveries.preview_of(second) is NoPreview.FAILED


async def test_a_preview_of_an_earlier_delivery_is_not_kept(database: Database) -> None:
    await database.audit.append([delivery()])
    (earlier,) = await database.deliveries.without_preview(5)
    await database.audit.append([delivery(at=NOW + 1)])
    await database.deliveries.keep_preview(earlier, "too late")
    (later,) = await database.deliveries.last_deliveries()
    assert await database.deliveries.preview_of(later) is NoPreview.PENDING
    assert await database.deliveries.preview_of(earlier) is NoPreview.CHANGED


async def test_last_deliveries_outlive_their_audit_records(database: Database) -> None:
    head = await database.audit.append([delivery()])
    await database.audit.drop_sealed(head.seq, AuditEvent(NOW, AuditKind.SEALED))
    assert len(await database.deliveries.last_deliveries()) == 1
