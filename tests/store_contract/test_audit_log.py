"""The contract of every store's audit log: all writers append to one chain, and no record ever changes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from bootgrant.approval.audit import GENESIS, AuditEvent, AuditKind, ChainCheck, Head
from bootgrant.approval.decision import Decision
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.audit import AuditFilter, AuditLog
from bootgrant.store.database import Database
from bootgrant.store.postgres.connections import PostgresAddress
from bootgrant.store.postgres.database import open_postgres
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from bootgrant.workflows.record.audit import decided, delivered
from support.grants import MAC, NOW, UUID, decision_by, other_machine, pending_grant

pytestmark = pytest.mark.anyio


@pytest.fixture
def audit(database: Database) -> AuditLog:
    return database.audit


def event(number: int = 0, kind: AuditKind = AuditKind.OPENED, actor: str = "", entry: str = "") -> AuditEvent:
    machine = other_machine(number)
    return AuditEvent(NOW + number, kind, actor, grant_id=f"grant-{number}", identity=machine, entry=entry)


async def checked(audit: AuditLog) -> ChainCheck:
    check = ChainCheck()
    async for page in audit.from_oldest():
        for line, digest in page:
            check.take(line, digest)
    check.finish()
    return check


async def test_a_new_audit_log_is_empty(audit: AuditLog) -> None:
    assert await audit.head() == Head(0, GENESIS)
    assert await audit.newest(AuditFilter(), 10) == []
    assert (await checked(audit)).records == 0


async def test_an_appended_event_is_found_unchanged(audit: AuditLog) -> None:
    appended = AuditEvent(
        at=NOW + 0.125,
        kind=AuditKind.APPROVED,
        actor="a\0na \\ <b>",
        via="session",
        grant_id="grant",
        identity=MachineIdentity(UUID, "SN\0\\1", MAC, "näme\udcff"),
        address="10.20.0.11",
        entry="cp-1",
        revision="4f2c9ab",
        digest="ab" * 32,
        reason="it is\nthe right one",
        evidence=(Check("network", Verdict.MATCH, "as expected"), Check("bmc", Verdict.UNKNOWN, "no answer")),
        details={"votes": 1, "size": 12},
    )
    head = await audit.append([appended])
    (record,) = await audit.newest(AuditFilter(), 10)
    assert (record.seq, record.event, record.digest) == (1, appended, head.digest)
    assert await audit.newest(AuditFilter(actor="a\0na \\ <b>", machine=MachineIdentity(serial="SN\0\\1")), 1) == [
        record
    ]


async def test_concurrent_writers_append_to_one_chain(audit: AuditLog) -> None:
    await asyncio.gather(*(audit.append([event(2 * n), event(2 * n + 1)]) for n in range(40)))
    check = await checked(audit)
    assert (check.broken, check.records, check.head) == (None, 80, await audit.head())
    assert len({record.event.grant_id for record in await audit.newest(AuditFilter(), 100)}) == 80


@pytest.mark.parametrize(
    ("which", "found"),
    [
        (AuditFilter(), [4, 3, 2, 1]),
        (AuditFilter(kinds=(AuditKind.DENIED, AuditKind.ARMED)), [4, 2]),
        (AuditFilter(without=(AuditKind.DENIED, AuditKind.ARMED)), [3, 1]),
        (AuditFilter(actor="ana"), [2]),
        (AuditFilter(grant_id="grant-3"), [3]),
        (AuditFilter(entry="cp-1"), [3, 2]),
        (AuditFilter(machine=MachineIdentity(UUID, "SN0003")), [3]),
        (AuditFilter(machine=MachineIdentity(hostname="x")), []),
        (AuditFilter(since=NOW + 2, until=NOW + 4), [3, 2]),
        (AuditFilter(entry="cp-1", actor="ana"), [2]),
        (AuditFilter(kinds=(AuditKind.OPENED,), since=NOW + 2), [3]),
        (AuditFilter(kinds=(AuditKind.OPENED, AuditKind.DENIED), until=NOW + 3), [2, 1]),
        (AuditFilter(kinds=(AuditKind.OPENED, AuditKind.DENIED), entry="cp-1", since=NOW + 3), [3]),
        (AuditFilter(kinds=(AuditKind.OPENED,), without=(AuditKind.OPENED,)), []),
        (AuditFilter(without=(AuditKind.OPENED,), entry="cp-1"), [2]),
        (AuditFilter(since=NOW + 5), []),
        (AuditFilter(until=NOW + 1), []),
    ],
)
async def test_a_filter_finds_the_events_that_meet_all_its_conditions(
    audit: AuditLog, which: AuditFilter, found: list[int]
) -> None:
    await audit.append(
        [
            event(1),
            event(2, AuditKind.DENIED, actor="ana", entry="cp-1"),
            event(3, entry="cp-1"),
            event(4, AuditKind.ARMED),
        ]
    )
    assert [record.seq for record in await audit.newest(which, 10)] == found
    assert await audit.count(which, 10) == len(found)
    assert await audit.count(which, 1) == min(len(found), 1)


async def test_pages_of_a_filter_leave_out_no_event_also_when_the_clock_was_set_back(audit: AuditLog) -> None:
    kinds = (AuditKind.OPENED, AuditKind.DENIED, AuditKind.ARMED)
    times = [3, 9, 1, 7, 2, 8, 4, 6, 5, 0] * 2
    await audit.append([AuditEvent(NOW + at, kinds[number % 3]) for number, at in enumerate(times)])
    which = AuditFilter(kinds=kinds[:2], since=NOW + 2, until=NOW + 8)
    expected = [n + 1 for n, at in enumerate(times) if 2 <= at < 8 and n % 3 < 2][::-1]
    found: list[int] = []
    while page := await audit.newest(which, 2, found[-1] if found else None):
        found += [record.seq for record in page]
    assert (found, await audit.count(which, 50)) == (expected, len(expected))


@pytest.mark.parametrize("reported", [UUID, swapped_uuid(UUID)])
async def test_a_machine_is_found_by_its_uuid_in_either_byte_order(audit: AuditLog, reported: str) -> None:
    await audit.append([AuditEvent(NOW, AuditKind.DELIVERED, identity=MachineIdentity(reported), entry="cp-1")])
    for asked in (UUID, swapped_uuid(UUID)):
        assert len(await audit.newest(AuditFilter(machine=MachineIdentity(asked, "SN-OTHER")), 10)) == 1


async def test_a_name_finds_its_events_however_the_person_signed_in(audit: AuditLog) -> None:
    actors = (
        "ana",
        "ana (passkey)",
        "ana (token:laptop)",
        "anatol",
        "ana b",
        "corp:ana (oidc:corp)",
        "ana (",
        "Ana",
        "ana)",
    )
    await audit.append([event(number, actor=name) for number, name in enumerate(actors, 1)])

    async def found(name: str) -> list[str]:
        return [record.event.actor for record in await audit.newest(AuditFilter(actor=name), 20)]

    assert await found("ana") == ["ana (", "ana (token:laptop)", "ana (passkey)", "ana"]
    assert await found("ana (passkey)") == ["ana (passkey)"]
    assert await found("corp:ana") == ["corp:ana (oidc:corp)"]


async def test_a_long_list_is_read_page_by_page(audit: AuditLog) -> None:
    await audit.append([event(number) for number in range(1, 8)])
    first = await audit.newest(AuditFilter(), 3)
    second = await audit.newest(AuditFilter(), 3, before=first[-1].seq)
    assert [record.seq for record in (*first, *second)] == [7, 6, 5, 4, 3, 2]


async def test_a_step_and_its_event_are_stored_together(database: Database) -> None:
    grant, _ = pending_grant()
    await database.grants.open_grant(grant)
    decision = decision_by("ana", NOW + 1)
    await database.grants.change_grant(
        grant.grant_id, lambda g: g.approve(decision, "cp-1"), audit=decided(decision, "cp-1", "4f2c9ab", "ab", ())
    )
    (record,) = await database.audit.newest(AuditFilter(), 10)
    assert (record.event.kind, record.event.grant_id, record.event.entry) == (
        AuditKind.APPROVED,
        grant.grant_id,
        "cp-1",
    )
    assert record.event.identity == grant.identity


async def test_a_refused_step_leaves_no_event(database: Database) -> None:
    grant, _ = pending_grant()
    await database.grants.open_grant(grant)
    decisions = [decision_by(f"operator-{number}", NOW) for number in range(20)]

    async def decide(decision: Decision) -> DeviceGrant | Refusal:
        return await database.grants.change_grant(
            grant.grant_id, lambda g: g.approve(decision, "cp-1"), audit=decided(decision, "cp-1", "", "", ())
        )

    outcomes = await asyncio.gather(*map(decide, decisions))
    (winner,) = [outcome for outcome in outcomes if isinstance(outcome, DeviceGrant)]
    (record,) = await database.audit.newest(AuditFilter(), 30)
    assert winner.decision is not None
    assert record.event.actor == winner.decision.by


async def test_each_delivery_is_in_the_audit_log(database: Database) -> None:
    grant, _ = pending_grant()
    await database.grants.open_grant(grant)
    for rule in (
        lambda g: g.approve(decision_by("ana", NOW), "cp-1"),
        lambda g: g.redeem("talos", b"t" * 32, GrantRules(), NOW),
    ):
        await database.grants.change_grant(grant.grant_id, rule)
    for number in (1, 2):
        delivery = Delivery(NOW + number, "10.20.0.11", "ab" * 32, 12)
        await database.grants.change_grant(
            grant.grant_id, lambda g: g.deliver(GrantRules(), NOW + 1), delivery, delivered(delivery, "r", "file")
        )
    records = await database.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 10)
    assert [record.event.details["delivery"] for record in records] == [2, 1]


async def test_sealed_records_are_deleted_and_the_chain_continues(audit: AuditLog) -> None:
    await audit.append([event(number) for number in range(1, 6)])
    third = (await audit.newest(AuditFilter(grant_id="grant-3"), 1))[0]
    seal = AuditEvent(NOW + 9, AuditKind.SEALED, details={"through": 3, "digest": third.digest})
    await audit.drop_sealed(3, seal)
    await audit.append([event(7)])
    assert [record.seq for record in await audit.newest(AuditFilter(), 10)] == [7, 6, 5, 4]
    check = await checked(audit)
    assert (check.broken, check.records) == (None, 4)


async def test_two_servers_append_to_one_chain(address: PostgresAddress) -> None:
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(open_postgres(address, 4)) for _ in range(2)]

        async def decide(number: int) -> None:
            grant, _ = pending_grant(identity=other_machine(number))
            server, decision = servers[number % 2], decision_by("ana", NOW)
            await server.grants.open_grant(grant)
            await server.grants.change_grant(
                grant.grant_id, lambda g: g.approve(decision, "cp-1"), audit=decided(decision, "cp-1", "", "", ())
            )

        await asyncio.gather(*(decide(number) for number in range(60)))
        check = await checked(servers[0].audit)
    assert (check.broken, check.records) == (None, 60)
