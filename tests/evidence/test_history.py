"""What a machine's past says when it asks again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.grant import DeviceGrant
from bootgrant.evidence.history import HistoryEvidence
from bootgrant.ports.evidence import Claim
from bootgrant.wire.identity import MachineIdentity
from support.fakes import FakeClock
from support.grants import MAC, NOW, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


async def said(database: MemoryDatabase, grant: DeviceGrant) -> Sequence[Check]:
    return await HistoryEvidence(database.audit, database.grants, FakeClock(NOW)).check(Claim(grant, None))


def event(kind: AuditKind, at: float, address: str = "10.20.0.11", mac: str = MAC) -> AuditEvent:
    identity = MachineIdentity(mac=mac)
    return AuditEvent(at, kind, grant_id=f"earlier-{at}", identity=identity, address=address, entry="cp-1")


async def test_nothing_speaks_against_a_machine_that_was_never_seen(database: MemoryDatabase) -> None:
    (check,) = await said(database, pending_grant()[0])
    assert (check.verdict, check.detail) == (Verdict.MATCH, "asks for the first time")


async def test_a_machine_that_has_its_configuration_asks_again(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.DELIVERED, NOW - 90_000)])
    (check,) = await said(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert "got cp-1 at 2027-01-14 07:00 UTC, to 10.20.0.11" in check.detail


async def test_one_identity_that_asks_from_two_addresses_at_once(database: MemoryDatabase) -> None:
    grant, _ = pending_grant()
    rival, _ = pending_grant(source_address="10.66.0.6", identity=MachineIdentity(mac=MAC))
    await database.grants.open_grant(grant)
    await database.grants.open_grant(rival)
    (check,) = await said(database, grant)
    assert check.verdict is Verdict.MISMATCH
    assert "the same mac asks from 10.66.0.6" in check.detail


async def test_a_machine_that_asks_again_and_again_is_told(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.OPENED, NOW - 60 * number) for number in range(1, 6)])
    (check,) = await said(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert "asked 6 times in ten minutes" in check.detail


@pytest.mark.parametrize(
    ("kind", "ago", "told"),
    [
        (AuditKind.DENIED, 3600, "was refused by ana at 2027-01-15 07:00 UTC: not today"),
        (AuditKind.REVOKED, 3600, "was refused by ana at 2027-01-15 07:00 UTC: the approval was taken back"),
        (AuditKind.DENIED, 90_000, "has asked before, from here, and got nothing yet"),
    ],
)
async def test_what_a_person_refused_is_no_match_for_a_day(
    database: MemoryDatabase, kind: AuditKind, ago: float, told: str
) -> None:
    who = MachineIdentity(mac=MAC)
    await database.audit.append([AuditEvent(NOW - ago, kind, "ana", grant_id="old", identity=who, reason="not today")])
    (check,) = await said(database, pending_grant()[0])
    assert (check.verdict is Verdict.MISMATCH, check.detail) == (ago < 86400, told)


@pytest.mark.parametrize(("kind", "told"), [(AuditKind.DELIVERED, "got cp-1 at"), (AuditKind.DENIED, "was refused by")])
async def test_a_flood_of_requests_hides_neither_a_delivery_nor_a_denial(
    database: MemoryDatabase, kind: AuditKind, told: str
) -> None:
    await database.audit.append([event(kind, NOW - 3600)])
    await database.audit.append([event(AuditKind.OPENED, NOW - 3000 + number) for number in range(300)])
    (check,) = await said(database, pending_grant()[0])
    assert check.verdict is Verdict.MISMATCH
    assert told in check.detail


async def test_an_earlier_address_is_worth_knowing_and_no_mismatch(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.OPENED, NOW - 7200, address="10.9.9.9")])
    (check,) = await said(database, pending_grant()[0])
    assert check.verdict is Verdict.UNKNOWN
    assert "10.9.9.9" in check.detail


async def test_the_past_of_another_machine_says_nothing(database: MemoryDatabase) -> None:
    await database.audit.append([event(AuditKind.DELIVERED, NOW - 90_000, mac="52:54:00:00:00:01")])
    assert [check.verdict for check in await said(database, pending_grant()[0])] == [Verdict.MATCH]
