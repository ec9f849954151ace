"""What metrics and notifications read from every store: waiting machines, new ones, and the counted steps."""

from __future__ import annotations

import pytest

from bootgrant.approval.grant import REDEEM_GRACE, DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.grants import Census, GrantStore
from bootgrant.store.database import Database
from support.grants import NOW, decision_by, other_machine, pending_grant

pytestmark = pytest.mark.anyio
RULES = GrantRules()


async def _asked(store: GrantStore, number: int, at: float) -> DeviceGrant:
    grant, _ = pending_grant(identity=other_machine(number), opened_at=at, expires_at=at + 600)
    await store.open_grant(grant)
    return grant


async def test_an_empty_store_counts_no_machines(store: GrantStore) -> None:
    assert await store.census(NOW) == Census(0, None, 0)


async def test_waiting_machines_are_counted_and_the_oldest_is_known(store: GrantStore) -> None:
    for number in range(3):
        await _asked(store, number, NOW + number)
    assert await store.census(NOW + 5) == Census(3, NOW, 0)
    assert await store.census(NOW + 601) == Census(1, NOW + 2, 0)


async def test_approved_machines_count_until_they_have_their_configuration(store: GrantStore) -> None:
    grant = await _asked(store, 1, NOW)
    await store.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "a.yaml"))
    assert await store.census(NOW) == Census(0, None, 1)
    assert await store.census(NOW + 600 + REDEEM_GRACE) == Census(0, None, 0)
    await store.change_grant(grant.grant_id, lambda g: g.redeem("talos", b"d" * 32, RULES, NOW))
    assert await store.census(NOW + 3600) == Census(0, None, 1)
    assert await store.census(NOW + RULES.token_lifetime) == Census(0, None, 0)
    await store.change_grant(grant.grant_id, lambda g: g.deliver(RULES, NOW))
    assert await store.census(NOW) == Census(0, None, 0)


async def test_new_requests_are_found_newest_first_up_to_the_limit(store: GrantStore) -> None:
    grants = [await _asked(store, number, NOW + number) for number in range(5)]
    decided = grants[3]
    await store.change_grant(decided.grant_id, lambda g: g.deny(decision_by("ana", NOW + 6)))
    found = await store.pending_since(NOW + 1, NOW + 10, 10)
    assert [grant.grant_id for grant in found] == [grants[4].grant_id, grants[2].grant_id]
    assert [grant.grant_id for grant in await store.pending_since(NOW - 1, NOW + 10, 1)] == [grants[4].grant_id]
    assert list(await store.pending_since(NOW + 4, NOW + 10, 10)) == []


async def test_each_step_and_its_duration_is_counted_once(database: Database) -> None:
    grant = await _asked(database.grants, 1, NOW)
    counts = database.counts
    for _ in range(2):
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW + 40), "a.yaml"))
    await database.grants.change_grant(grant.grant_id, lambda g: g.redeem("talos", b"d" * 32, RULES, NOW + 41))
    await database.grants.change_grant(grant.grant_id, lambda g: g.deliver(RULES, NOW + 50))
    await database.grants.change_grant(grant.grant_id, lambda g: g.deliver(RULES, NOW + 55))
    assert dict(counts.steps) == {"approved": 1, "redeemed": 1, "delivered": 1}
    assert (counts.decision.total, counts.decision.cumulative()[-1][1]) == (40.0, 1)
    assert (counts.delivery.total, counts.delivery.cumulative()[-1][1]) == (10.0, 1)
