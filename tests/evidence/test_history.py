"""A machine's earlier requests, deliveries and denials as evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.grant import DeviceGrant
from bootgrant.evidence.history import HistoryEvidence
from bootgrant.ports.evidence import Claim
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.fakes import FakeClock
from support.grants import MAC, NOW, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


async def evidence(database: MemoryDatabase, grant: DeviceGrant) -> Sequence[Check]:
    return await HistoryEvidence(database.audit, database.grants, FakeClock(NOW)).check(Claim(grant, None))


def event(kind: AuditKind, at: float, address: str = "10.20.0.11", mac: str = MAC) -> AuditEvent:
    identity = MachineIdentity(mac=mac)
    return AuditEvent(at, kind, grant_id=f"earlier-{at}", identity=identity, address=address, entry="cp-1")


async def test_a_first_request_is_a_match(database: MemoryDatabase) -> None:
    (check,) = await evidence(database, pending_grant()[0])
    assert (check.verdict, check.detail) == (Verdict.MATCH, "first request of this machine")


async def test_a_request_after_a_delivery_is_a_mismatch(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.DELIVERED, NOW - 90_000)])
    (check,) = await evidence(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert "received cp-1 at 2027-01-14 07:00 UTC, at 10.20.0.11" in check.detail


async def test_the_same_identity_at_two_addresses_at_once_is_a_mismatch(database: MemoryDatabase) -> None:
    grant, _ = pending_grant()
    rival, _ = pending_grant(source_address="10.66.0.6", identity=MachineIdentity(mac=MAC))
    await database.grants.open_grant(grant)
    await database.grants.open_grant(rival)
    (check,) = await evidence(database, grant)
    assert check.verdict is Verdict.MISMATCH
    assert "a request from 10.66.0.6 has the same mac" in check.detail


async def test_six_requests_in_ten_minutes_are_a_mismatch(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.OPENED, NOW - 60 * number) for number in range(1, 6)])
    (check,) = await evidence(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert "6 requests in ten minutes" in check.detail


@pytest.mark.parametrize(
    ("kind", "ago", "detail"),
    [
        (AuditKind.DENIED, 3600, "denied by ana at 2027-01-15 07:00 UTC: not today"),
        (AuditKind.REVOKED, 3600, "denied by ana at 2027-01-15 07:00 UTC: the approval was revoked"),
        (AuditKind.DENIED, 90_000, "nothing delivered for its earlier requests"),
    ],
)
async def test_a_denial_is_a_mismatch_for_a_day(
    database: MemoryDatabase, kind: AuditKind, ago: float, detail: str
) -> None:
    who = MachineIdentity(mac=MAC)
    await database.audit.append([AuditEvent(NOW - ago, kind, "ana", grant_id="old", identity=who, reason="not today")])
    (check,) = await evidence(database, pending_grant()[0])
    assert (check.verdict is Verdict.MISMATCH, check.detail) == (ago < 86400, detail)


@pytest.mark.parametrize(
    ("kind", "detail"), [(AuditKind.DELIVERED, "received cp-1 at"), (AuditKind.DENIED, "denied by")]
)
async def test_a_flood_of_requests_hides_neither_a_delivery_nor_a_denial(
    database: MemoryDatabase, kind: AuditKind, detail: str
) -> None:
    await database.audit.append([event(kind, NOW - 3600)])
    await database.audit.append([event(AuditKind.OPENED, NOW - 3000 + number) for number in range(300)])
    (check,) = await evidence(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert detail in check.detail


async def test_an_earlier_request_from_another_address_is_unknown(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.OPENED, NOW - 7200, address="10.9.9.9")])
    (check,) = await evidence(database, pending_grant()[0])
    assert check.verdict is Verdict.UNKNOWN
    assert "10.9.9.9" in check.detail


async def test_the_history_of_another_machine_does_not_count(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.DELIVERED, NOW - 90_000, mac="52:54:00:00:00:01")])
    assert [check.verdict for check in await evidence(database, pending_grant()[0])] == [Verdict.MATCH]


UUID_BEFORE = "4c4c4544-0042-3010-8052-b4c04f4d3131"
UUID_NOW = "4c4c4544-0042-3010-8052-b4c04f4d3199"


@pytest.mark.parametrize(
    ("before", "now", "detail"),
    [
        (
            MachineIdentity(UUID_BEFORE, "R640-C1", MAC),
            MachineIdentity(UUID_BEFORE, "R640-C9", MAC),
            'with this uuid and mac, but with serial "R640-C1" (now "R640-C9")',
        ),
        (
            MachineIdentity(UUID_BEFORE, "R640-C1", MAC),
            MachineIdentity(UUID_NOW, "R640-C1"),
            f'with this serial, but with uuid "{UUID_BEFORE}" (now "{UUID_NOW}")',
        ),
        (
            MachineIdentity(UUID_BEFORE, "R640-C1", MAC),
            MachineIdentity(swapped_uuid(UUID_BEFORE), "R640-C9", "52:54:00:00:00:09"),
            f'with this uuid, but with serial "R640-C1" (now "R640-C9") and mac "{MAC}" (now "52:54:00:00:00:09")',
        ),
        (
            MachineIdentity(serial="S" * 200, mac=MAC),
            MachineIdentity(serial="R640-C9", mac=MAC),
            f'with this mac, but with serial "{"S" * 64}…" (now "R640-C9")',
        ),
    ],
)
async def test_a_machine_that_differs_from_the_delivered_one_is_a_mismatch_with_both_values(
    database: MemoryDatabase, before: MachineIdentity, now: MachineIdentity, detail: str
) -> None:
    event = AuditEvent(NOW - 90_000, AuditKind.DELIVERED, grant_id="old", identity=before, address="a", entry="cp-1")
    await database.audit.append([event])
    (check,) = await evidence(database, pending_grant(identity=now)[0])
    assert check.verdict is Verdict.MISMATCH
    assert check.detail == f"cp-1 went at 2027-01-14 07:00 UTC to a machine {detail}"


@pytest.mark.parametrize(
    "now",
    [
        MachineIdentity(UUID_BEFORE, "R640-C1", MAC),
        MachineIdentity(swapped_uuid(UUID_BEFORE), "R640-C1"),
        MachineIdentity(UUID_BEFORE, hostname="renamed"),
    ],
)
async def test_a_variable_that_is_missing_or_written_otherwise_is_no_difference(
    database: MemoryDatabase, now: MachineIdentity
) -> None:
    before = MachineIdentity(UUID_BEFORE, "R640-C1", MAC, "cp-1")
    event = AuditEvent(NOW - 90_000, AuditKind.DELIVERED, grant_id="old", identity=before, address="a", entry="cp-1")
    await database.audit.append([event])
    (check,) = await evidence(database, pending_grant(identity=now)[0])
    assert check.detail.startswith("received cp-1 at 2027-01-14 07:00 UTC, at a: an installed machine")


async def test_a_machine_whose_token_was_used_elsewhere_is_a_mismatch(database: MemoryDatabase) -> None:
    used = event(AuditKind.OTHER_ADDRESS, NOW - 3600, address="192.0.2.7")
    await database.audit.append([replace(used, details={"requested_from": "10.20.0.11"})])
    (check,) = await evidence(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert "the token of an earlier request from 10.20.0.11 was used at 192.0.2.7, at 2027-01-15 07:00" in check.detail
