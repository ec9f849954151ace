"""Votes move to the next request of a machine in every store, in the transaction that stores it."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.decision import Terms, WhyVoid
from bootgrant.approval.grant import VOTE_LIFETIME, DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import DECISION_KEPT, GrantStore
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.record.audit import votes_followed
from support.grants import MAC, NOW, UUID, decision_by, other_machine, pending_grant

pytestmark = pytest.mark.anyio
TWO = Terms(needed=2, fingerprint="cp-1")


async def vote(store: GrantStore, grant: DeviceGrant, name: str, at: float = NOW + 1) -> DeviceGrant:
    outcome = await store.change_grant(grant.grant_id, lambda g: g.approve(decision_by(name, at), "cp-1", TWO))
    assert isinstance(outcome, DeviceGrant)
    return outcome


async def opened(store: GrantStore, fingerprint: str = "cp-1", **changes: object) -> DeviceGrant:
    grant, _ = pending_grant(**changes)
    await store.open_grant(grant, fingerprint, votes_followed)
    found = await store.find_grant(grant.grant_id)
    assert found is not None
    return found


async def audited(database: Database) -> list[AuditEvent]:
    which = AuditFilter(kinds=(AuditKind.VOTE_MOVED, AuditKind.VOIDED))
    return [record.event for record in await database.audit.newest(which, 100)]


async def test_a_vote_moves_and_the_earlier_request_names_the_next_one(database: Database) -> None:
    store = database.grants
    first = await opened(store)
    await vote(store, first, "ana")
    second = await opened(store)
    assert [(each.by, each.request) for each in second.votes] == [("ana", first.grant_id)]
    replaced = await store.find_grant(first.grant_id)
    assert replaced is not None
    assert (replaced.state, replaced.replaced_by) == (GrantState.REPLACED, second.grant_id)
    [event] = await audited(database)
    assert (event.kind, event.actor, event.grant_id) == (AuditKind.VOTE_MOVED, "ana", second.grant_id)
    assert event.details["vote_for"] == first.grant_id
    assert (await vote(store, second, "ben")).state is GrantState.APPROVED


async def test_a_vote_for_another_entry_or_client_is_void_and_audited(database: Database) -> None:
    store = database.grants
    for changes, fingerprint, why in (({}, "changed", WhyVoid.ENTRY), ({"client_id": "x"}, "cp-1", WhyVoid.CLIENT)):
        await vote(store, await opened(store), "ana")
        after = await opened(store, fingerprint, **changes)
        assert (after.votes, [reason for _, reason in after.void_votes]) == ((), [why])
        event, *_ = await audited(database)
        assert (event.kind, event.actor, event.grant_id) == (AuditKind.VOIDED, "ana", after.grant_id)
        assert event.reason


async def test_a_vote_does_not_move_to_another_address_or_identity(store: GrantStore) -> None:
    first = await opened(store)
    await vote(store, first, "ana")
    elsewhere = await opened(store, source_address="10.66.6.6")
    part = await opened(store, identity=MachineIdentity(uuid=UUID))
    renamed = await opened(store, identity=MachineIdentity(uuid=UUID, mac=MAC, hostname="evil"))
    assert elsewhere.votes == part.votes == renamed.votes == ()
    assert [why for _, why in renamed.void_votes] == [WhyVoid.IDENTITY]


async def test_of_concurrent_requests_and_a_vote_the_vote_counts_once_for_the_newest(database: Database) -> None:
    store = database.grants
    first = await opened(store)
    await vote(store, first, "ana")
    grants = [pending_grant()[0] for _ in range(12)]
    await asyncio.gather(*(store.open_grant(grant, "cp-1", votes_followed) for grant in grants))
    [waiting] = await store.pending_grants(NOW, 100)
    assert [(each.by, each.request) for each in waiting.votes] == [("ana", first.grant_id)]
    assert (await vote(store, waiting, "ben")).state is GrantState.APPROVED
    # Every request names the next one, up to the newest.
    seen, grant = [], await store.find_grant(first.grant_id)
    while grant is not None and grant.replaced_by:
        seen.append(grant.grant_id)
        grant = await store.find_grant(grant.replaced_by)
    assert grant is not None
    assert (grant.grant_id, len(seen)) == (waiting.grant_id, 12)


async def test_a_vote_given_while_the_machine_asks_again_is_never_lost_without_a_word(store: GrantStore) -> None:
    for number in range(8):
        machine = other_machine(number)
        first = await opened(store, identity=machine)
        second, _ = pending_grant(identity=machine)
        outcome, _ = await asyncio.gather(
            store.change_grant(first.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1", TWO)),
            store.open_grant(second, "cp-1", votes_followed),
        )
        after = await store.find_grant(second.grant_id)
        assert after is not None
        assert len(after.votes) == isinstance(outcome, DeviceGrant)


async def test_a_moved_and_a_void_vote_survive_a_restart(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW) as database:
        await vote(database.grants, await opened(database.grants), "ana")
        moved = await opened(database.grants)
        other = other_machine(1)
        await vote(database.grants, await opened(database.grants, identity=other), "ana")
        void = await opened(database.grants, "changed", identity=other)
    with SqliteDatabase(tmp_path, NOW + 5) as database:
        assert await database.grants.find_grant(moved.grant_id) == moved
        assert await database.grants.find_grant(void.grant_id) == void
        assert (await vote(database.grants, moved, "ben")).state is GrantState.APPROVED


async def test_a_vote_for_an_expired_code_moves_even_after_a_restart(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW) as database:
        await vote(database.grants, await opened(database.grants), "ana")
    late = NOW + 3 * 3600
    with SqliteDatabase(tmp_path, late) as database:
        moved = await opened(database.grants, opened_at=late, expires_at=late + 600)
        assert [each.by for each in moved.votes] == ["ana"]


async def test_the_last_decision_about_a_machine_is_found_from_any_address(store: GrantStore) -> None:
    assert await store.last_decision(MachineIdentity(uuid=UUID, mac=MAC), NOW - 1) is None
    approve = partial(DeviceGrant.approve, entry="cp-1")
    decided = []
    for number, address in enumerate(("10.20.0.11", "10.66.6.6")):
        grant = await opened(store, source_address=address)
        rule = partial(approve, decision=decision_by("ana", NOW + number))
        decided.append(await store.change_grant(grant.grant_id, rule))
    same = MachineIdentity(uuid=UUID, mac=MAC, hostname="new name")
    assert await store.last_decision(same, NOW - 1) == decided[1]
    assert await store.last_decision(same, NOW + 1) is None
    assert await store.last_decision(MachineIdentity(uuid=UUID), NOW - 1) is None


async def test_an_undelivered_approval_is_found_a_day_later_after_a_restart(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW) as database:
        grant = await opened(database.grants)
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1"))
    late = NOW + DECISION_KEPT - 1
    with SqliteDatabase(tmp_path, late) as database:
        found = await database.grants.last_decision(grant.identity, late - DECISION_KEPT)
        assert found is not None
        assert found.grant_id == grant.grant_id
        assert await database.grants.undelivered(late) == []


async def test_undelivered_approvals_are_those_that_can_still_be_fetched(store: GrantStore) -> None:
    rules = GrantRules(token_lifetime=3600)
    grants = [await opened(store, identity=other_machine(n)) for n in range(4)]
    for number, grant in enumerate(grants[1:]):
        await store.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1"))
        redeem = partial(DeviceGrant.redeem, client_id="talos", token_digest=bytes([number]), rules=rules, now=NOW)
        if number:
            await store.change_grant(grant.grant_id, redeem)
    await store.change_grant(grants[3].grant_id, lambda g: g.deliver(rules, NOW))
    assert {g.grant_id for g in await store.undelivered(NOW)} == {grants[1].grant_id, grants[2].grant_id}
    assert {g.grant_id for g in await store.undelivered(NOW + 700)} == {grants[2].grant_id}
    void = partial(DeviceGrant.void, reason="the operator ana was disabled", now=NOW + 1)
    after = await store.change_grant(grants[2].grant_id, void)
    assert isinstance(after, DeviceGrant)
    assert await store.find_by_token(bytes([1])) == after
    assert await store.undelivered(NOW + 700) == []


async def test_a_lost_vote_is_void_and_stays_with_its_request_also_when_the_code_has_expired(
    database: Database,
) -> None:
    store = database.grants
    grant = await opened(store)
    await vote(store, grant, "ana")
    late = grant.expires_at + 3600
    assert await store.pending_grants(late, 9) == []
    assert [each.grant_id for each in await store.pending_grants(late - VOTE_LIFETIME, 9)] == [grant.grant_id]
    await store.change_grant(grant.grant_id, partial(DeviceGrant.lose_votes, is_lost=lambda each: each.by == "ana"))
    after = await store.find_grant(grant.grant_id)
    assert after is not None
    assert (after.votes, [(each.by, why) for each, why in after.void_votes]) == ((), [("ana", WhyVoid.APPROVER)])
    assert (await opened(store)).votes == ()
