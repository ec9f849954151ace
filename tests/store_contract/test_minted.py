"""The contract of every store of values that are made at delivery."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.minting import Minted
from bootgrant.store.database import Database
from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, NOW, UUID, decision_by, pending_grant

pytestmark = pytest.mark.anyio
MACHINE = MachineIdentity(UUID, "SN\\1", MAC, "node")
MADE = AuditEvent(NOW, AuditKind.MINTED, grant_id="g1", entry="worker-1")
RULES = GrantRules()


def asked(attempt: str = "a", grant_id: str = "g1", began_at: float = NOW) -> Minted:
    return Minted(grant_id, "join", "worker-1", MACHINE, ("/bin/unmint", "x y"), attempt, began_at)


async def redeemed(database: Database) -> DeviceGrant:
    grant, _ = pending_grant()
    await database.grants.open_grant(grant)
    for rule in (
        lambda stored: stored.approve(decision_by("ana", NOW), "worker-1"),
        lambda stored: stored.redeem("talos", b"t" * 32, RULES, NOW),
    ):
        outcome = await database.grants.change_grant(grant.grant_id, rule)
        assert isinstance(outcome, DeviceGrant), outcome
        grant = outcome
    return grant


async def test_of_many_that_begin_one_makes_the_value(database: Database) -> None:
    stored = await asyncio.gather(*(database.minted.begin(asked(f"a{n}"), NOW - 60) for n in range(8)))
    assert len({each.attempt for each in stored}) == 1
    assert stored[0] == asked(stored[0].attempt)


async def test_a_made_value_is_found_with_its_event(database: Database) -> None:
    await database.minted.begin(asked(), NOW - 60)
    made = replace(asked(), sealed="sealed", program_id="id-1")
    assert await database.minted.finish(made, MADE)
    assert await database.minted.begin(asked("b"), NOW + 60) == made
    assert not await database.minted.finish(replace(made, sealed="other"), MADE)
    assert len(await database.audit.newest(AuditFilter(kinds=(AuditKind.MINTED,)), 10)) == 1


async def test_an_attempt_that_is_stale_or_gave_up_is_taken_over(database: Database) -> None:
    await database.minted.begin(asked(), NOW - 60)
    assert (await database.minted.begin(asked("b"), NOW)).attempt == "a"
    assert (await database.minted.begin(asked("b", began_at=NOW + 80), NOW + 1)).attempt == "b"
    assert not await database.minted.finish(replace(asked(), sealed="late"), MADE)
    await database.minted.give_up(asked("b"))
    assert (await database.minted.begin(asked("c"), NOW)).attempt == "c"


async def test_what_was_revoked_is_due_until_it_is_claimed_and_forgotten(database: Database) -> None:
    grant = await redeemed(database)
    mine = asked(grant_id=grant.grant_id)
    await database.minted.begin(mine, NOW - 60)
    await database.minted.finish(replace(mine, sealed="sealed", program_id="id-1"), MADE)
    assert await database.minted.due(NOW) == []
    await database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
    (due,) = await database.minted.due(NOW)
    assert (due.program_id, due.unmint) == ("id-1", ("/bin/unmint", "x y"))
    assert [await database.minted.claim(due, NOW, NOW + 90) for _ in range(2)] == [True, False]
    assert await database.minted.due(NOW + 89) == []
    (again,) = await database.minted.due(NOW + 90)
    assert again.tries == 1
    event = AuditEvent(NOW, AuditKind.UNMINTED, grant_id=grant.grant_id)
    await database.minted.forget(again, event)
    await database.minted.forget(again, event)
    assert await database.minted.due(NOW + 90) == []
    assert len(await database.audit.newest(AuditFilter(kinds=(AuditKind.UNMINTED,)), 10)) == 1


async def test_a_delivered_value_is_erased_after_the_grace_and_never_due(database: Database) -> None:
    grant = await redeemed(database)
    mine = asked(grant_id=grant.grant_id)
    await database.minted.begin(mine, NOW - 60)
    await database.minted.finish(replace(mine, sealed="sealed"), MADE)
    await database.grants.change_grant(grant.grant_id, lambda stored: stored.deliver(RULES, NOW))
    await database.minted.settle(NOW)
    assert (await database.minted.begin(mine, NOW - 60)).sealed == "sealed"
    await database.minted.settle(NOW + 1)
    assert (await database.minted.begin(mine, NOW - 60)).sealed == ""
    assert await database.minted.due(NOW + RULES.token_lifetime + 1) == []
    await database.grants.collect_ended(NOW + 10 * RULES.token_lifetime, NOW + 10 * RULES.token_lifetime, 10)
    assert await database.minted.due(NOW + 10 * RULES.token_lifetime) == []
    await database.minted.settle(NOW)
    assert (await database.minted.begin(asked("b", grant.grant_id), NOW - 60)).attempt == "b"


async def test_a_value_that_was_never_fetched_is_due_when_the_token_ends(database: Database) -> None:
    grant = await redeemed(database)
    mine = asked(grant_id=grant.grant_id)
    await database.minted.begin(mine, NOW - 60)
    await database.minted.finish(replace(mine, sealed="sealed"), MADE)
    assert await database.minted.due(NOW + RULES.token_lifetime - 1) == []
    assert len(await database.minted.due(NOW + RULES.token_lifetime)) == 1
