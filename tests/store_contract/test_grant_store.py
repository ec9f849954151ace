"""The contract of every grant store, with real concurrency."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.grant import Delivery, DeviceGrant, Elsewhere, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import GrantRule, GrantStore, UserCodeTaken
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.grants import MAC, NOW, UUID, decision_by, other_machine, pending_grant

pytestmark = pytest.mark.anyio


async def test_a_stored_grant_is_found_unchanged(store: GrantStore) -> None:
    grant, _ = pending_grant()
    await store.open_grant(grant)
    assert await store.find_grant(grant.grant_id) == grant
    assert await store.find_by_user_code(grant.user_code_digest) == grant
    assert await store.find_by_device_code(grant.device_code_digest) == grant


async def test_every_field_that_a_step_changes_is_stored(store: GrantStore) -> None:
    grant, code = pending_grant()
    await store.open_grant(grant)
    digest = access_token_digest(access_token(code, grant.token_salt))
    for rule in (
        lambda g: g.approve(decision_by("ana", NOW + 1), "cp-1.yaml"),
        lambda g: g.redeem("talos", digest, GrantRules(), NOW + 2),
        lambda g: g.deliver(GrantRules(), NOW + 3),
        lambda g: g.used_elsewhere(Elsewhere("192.0.2.7", NOW + 4.5, refused=False)),
        lambda g: g.used_elsewhere(Elsewhere("2001:db8::1", NOW + 5, refused=True)),
    ):
        changed = await store.change_grant(grant.grant_id, rule)
        assert await store.find_grant(grant.grant_id) == changed
    stored = await store.find_by_token(digest)
    assert stored is not None
    assert (stored.state, stored.delivered_at, stored.deliveries) == (GrantState.DELIVERED, NOW + 3, 1)


async def test_two_live_grants_never_share_a_user_code(store: GrantStore) -> None:
    first, _ = pending_grant()
    second, _ = pending_grant(user_code_digest=first.user_code_digest)
    await store.open_grant(first)
    with pytest.raises(UserCodeTaken):
        await store.open_grant(second)
    assert await store.find_grant(second.grant_id) is None


async def test_one_of_many_concurrent_decisions_wins(store: GrantStore) -> None:
    grant, _ = pending_grant()
    await store.open_grant(grant)

    def approve(name: str) -> asyncio.Task[DeviceGrant | Refusal]:
        return asyncio.create_task(
            store.change_grant(grant.grant_id, lambda g: g.approve(decision_by(name, NOW), "cp-1.yaml"))
        )

    outcomes = await asyncio.gather(*(approve(f"operator-{n}") for n in range(50)))
    winners = [outcome for outcome in outcomes if isinstance(outcome, DeviceGrant)]
    assert len(winners) == 1
    assert outcomes.count(Refusal.ALREADY_DECIDED) == 49
    assert await store.find_grant(grant.grant_id) == winners[0]


async def test_a_failing_call_undoes_nothing_of_the_others_in_its_group(store: GrantStore) -> None:
    grants = [pending_grant(identity=other_machine(n))[0] for n in range(40)]
    taken, _ = pending_grant(user_code_digest=grants[0].user_code_digest)
    results = await asyncio.gather(*(store.open_grant(g) for g in [*grants, taken]), return_exceptions=True)
    assert sum(isinstance(result, UserCodeTaken) for result in results) == 1
    assert len(await store.pending_grants(NOW, 100)) == 40


async def test_a_change_wakes_the_watchers_of_that_grant_only(store: GrantStore) -> None:
    grant, _ = pending_grant()
    other, _ = pending_grant(identity=other_machine(1))
    await store.open_grant(grant)
    await store.open_grant(other)
    with store.watch_grant(grant.grant_id) as watched, store.watch_grant(other.grant_id) as unrelated:
        await store.change_grant(grant.grant_id, lambda g: g.deny(decision_by("ana", NOW)))
        await asyncio.wait_for(watched, 5)
        assert not unrelated.done()


async def test_pending_grants_come_newest_first_without_decided_and_expired_ones(store: GrantStore) -> None:
    waiting = [
        pending_grant(identity=other_machine(n), opened_at=NOW + n, expires_at=NOW + 600 + n)[0] for n in range(3)
    ]
    expired, _ = pending_grant(identity=other_machine(9), opened_at=NOW - 900, expires_at=NOW - 300)
    for grant in [*waiting, expired]:
        await store.open_grant(grant)
    await store.change_grant(waiting[1].grant_id, lambda g: g.deny(decision_by("ana", NOW)))
    assert [g.grant_id for g in await store.pending_grants(NOW, 10)] == [waiting[2].grant_id, waiting[0].grant_id]
    assert len(await store.pending_grants(NOW, 1)) == 1


async def test_a_refusal_changes_nothing_and_an_unknown_grant_is_refused(store: GrantStore) -> None:
    grant, _ = pending_grant()
    await store.open_grant(grant)
    assert await store.change_grant(grant.grant_id, lambda g: Refusal.DENIED) is Refusal.DENIED
    assert await store.find_grant(grant.grant_id) == grant
    assert await store.change_grant("nobody", lambda g: g) is Refusal.UNKNOWN


async def test_a_writable_store_passes_the_write_check(store: GrantStore) -> None:
    await store.check_writable()


async def test_a_new_request_replaces_the_older_one_of_its_machine_and_wakes_its_watchers(store: GrantStore) -> None:
    first, _ = pending_grant()
    second, _ = pending_grant()
    assert await store.open_grant(first) == []
    with store.watch_grant(first.grant_id) as watched:
        assert await store.open_grant(second) == [first.grant_id]
        await asyncio.wait_for(watched, 5)
    replaced = await store.find_grant(first.grant_id)
    assert replaced is not None
    assert replaced.state is GrantState.REPLACED
    assert [g.grant_id for g in await store.pending_grants(NOW, 10)] == [second.grant_id]


async def test_one_of_many_concurrent_requests_of_a_machine_stays_pending(store: GrantStore) -> None:
    grants = [pending_grant()[0] for _ in range(16)]
    replaced = await asyncio.gather(*(store.open_grant(grant) for grant in grants))
    (waiting,) = await store.pending_grants(NOW, 100)
    gone = [grant_id for ids in replaced for grant_id in ids]
    assert sorted([*gone, waiting.grant_id]) == sorted(grant.grant_id for grant in grants)
    for grant_id in gone:
        stored = await store.find_grant(grant_id)
        assert stored is not None
        assert stored.state is GrantState.REPLACED


async def test_a_request_from_another_address_replaces_nothing_and_is_listed_as_a_rival(store: GrantStore) -> None:
    mine, _ = pending_grant()
    rival, _ = pending_grant(source_address="10.66.6.6", identity=MachineIdentity(uuid=UUID, mac="02:00:00:00:00:01"))
    stranger, _ = pending_grant(identity=other_machine(7))
    for grant in (mine, rival, stranger):
        assert await store.open_grant(grant) == []
    assert {g.grant_id for g in await store.live_with(mine.identity, NOW)} == {mine.grant_id, rival.grant_id}
    assert await store.live_with(MachineIdentity(hostname="x"), NOW) == []


async def test_an_approved_request_is_never_replaced(store: GrantStore) -> None:
    first, _ = pending_grant()
    await store.open_grant(first)
    approved = await store.change_grant(first.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1.yaml"))
    assert await store.open_grant(pending_grant()[0]) == []
    assert await store.find_grant(first.grant_id) == approved


async def test_the_newest_denial_of_a_machine_is_found(store: GrantStore) -> None:
    for number in range(2):
        grant, _ = pending_grant()
        await store.open_grant(grant)
        decision = decision_by("ana", NOW + number, f"no {number}")
        await store.change_grant(grant.grant_id, partial(DeviceGrant.deny, decision=decision))
    found = await store.find_denial(MachineIdentity(uuid=UUID, mac=MAC), "10.66.6.6", NOW)
    assert found is not None
    assert found.decision == decision_by("ana", NOW + 1, "no 1")
    assert await store.find_denial(MachineIdentity(uuid=UUID, mac=MAC), "10.66.6.6", NOW + 1) is None


async def test_a_denial_applies_to_its_machine_and_to_parts_of_its_identity_at_its_address(store: GrantStore) -> None:
    here, elsewhere = "10.20.0.11", "10.66.6.6"
    grant, _ = pending_grant()
    await store.open_grant(grant)
    denied = await store.change_grant(grant.grant_id, partial(DeviceGrant.deny, decision=decision_by("ana", NOW, "no")))
    denied_too = [
        (MachineIdentity(uuid=UUID), here),
        (MachineIdentity(uuid=swapped_uuid(UUID), mac=MAC), elsewhere),
        (MachineIdentity(uuid=swapped_uuid(UUID), hostname="other"), here),
        (MachineIdentity(mac=MAC, serial="SN0001"), here),
    ]
    not_denied = [
        (MachineIdentity(uuid=UUID), elsewhere),
        (MachineIdentity(uuid=UUID, mac="02:00:00:00:00:01"), here),
        (MachineIdentity(serial="SN0001"), here),
    ]
    for asking in (denied_too, not_denied):
        found = await asyncio.gather(*(store.find_denial(*machine, NOW - 1) for machine in asking))
        assert found == [denied if asking is denied_too else None] * len(asking)


async def test_an_undenied_machine_is_no_longer_found_as_denied(store: GrantStore) -> None:
    denied = []
    for number in range(3):
        grant, _ = pending_grant(identity=other_machine(number))
        await store.open_grant(grant)
        decision = decision_by("ana", NOW + number, f"no {number}")
        denied.append(await store.change_grant(grant.grant_id, partial(DeviceGrant.deny, decision=decision)))
    assert await store.denials(NOW - 1, 10) == denied[::-1]
    assert await store.denials(NOW, 1) == [denied[2]]
    first = denied[0]
    assert isinstance(first, DeviceGrant)
    undeny: GrantRule = partial(DeviceGrant.undeny, decision=decision_by("ben", NOW + 5), rules=GrantRules())
    undenied = await store.change_grant(first.grant_id, undeny)
    assert undenied == first._replace(undenied=decision_by("ben", NOW + 5))
    assert await store.find_grant(first.grant_id) == undenied
    assert await store.find_denial(first.identity, first.source_address, NOW - 1) is None
    assert await store.denials(NOW - 1, 10) == denied[:0:-1]


async def test_a_uuid_in_the_other_byte_order_is_the_same_machine(store: GrantStore) -> None:
    mine, _ = pending_grant()
    swapped = MachineIdentity(uuid=swapped_uuid(UUID), mac=MAC)
    rival, _ = pending_grant(identity=swapped, source_address="10.66.6.6")
    assert await store.open_grant(mine) == []
    assert await store.open_grant(rival) == []
    assert {g.grant_id for g in await store.live_with(mine.identity, NOW)} == {mine.grant_id, rival.grant_id}
    assert await store.open_grant(pending_grant(identity=swapped)[0]) == [mine.grant_id]


async def test_a_delivery_is_stored_only_when_its_step_is_allowed(store: GrantStore) -> None:
    grant, code = pending_grant()
    await store.open_grant(grant)
    delivery = Delivery(NOW + 3, "10.20.0.11", "ab" * 32, 100)
    rule: GrantRule = partial(DeviceGrant.deliver, rules=GrantRules(), now=NOW + 3)
    assert await store.change_grant(grant.grant_id, rule, delivery) is Refusal.UNKNOWN
    assert await store.deliveries(grant.grant_id) == []
    digest = access_token_digest(access_token(code, grant.token_salt))
    await store.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1.yaml"))
    await store.change_grant(grant.grant_id, lambda g: g.redeem("talos", digest, GrantRules(), NOW))
    await store.change_grant(grant.grant_id, rule, delivery)
    assert await store.deliveries(grant.grant_id) == [delivery]


async def test_ended_grants_are_collected_in_steps_and_live_ones_are_not(store: GrantStore) -> None:
    for number in range(5):
        await store.open_grant(pending_grant(identity=other_machine(number), expires_at=NOW - 100)[0])
    living, _ = pending_grant()
    await store.open_grant(living)
    assert [await store.collect_ended(NOW, NOW, 3) for _ in range(3)] == [3, 2, 0]
    assert await store.find_grant(living.grant_id) == living


async def test_claims_with_unusual_characters_are_stored_unchanged(store: GrantStore) -> None:
    odd = MachineIdentity(serial="A\0B\\0 'x'; -- %s $1 \u202e\U0001f5a5", hostname='\\\0\n\t"')
    grant, _ = pending_grant(identity=odd)
    await store.open_grant(grant)
    assert await store.find_grant(grant.grant_id) == grant
    assert [g.identity for g in await store.live_with(odd, NOW)] == [odd]
    await store.change_grant(grant.grant_id, lambda g: g.deny(decision_by("a\0na", NOW, "no\0pe\\")))
    denied = await store.find_denial(odd, "10.20.0.11", NOW - 1)
    assert denied is not None
    assert denied.decision == decision_by("a\0na", NOW, "no\0pe\\")
    assert await store.find_grant("\0") is None


async def test_a_taken_code_leaves_the_older_request_of_the_machine_pending(store: GrantStore) -> None:
    older, _ = pending_grant()
    stranger, _ = pending_grant(identity=other_machine(1))
    for grant in (older, stranger):
        await store.open_grant(grant)
    with pytest.raises(UserCodeTaken):
        await store.open_grant(pending_grant(user_code_digest=stranger.user_code_digest)[0])
    assert await store.find_grant(older.grant_id) == older
    assert await store.open_grant(pending_grant()[0]) == [older.grant_id]


async def test_a_failing_rule_raises_only_in_its_own_caller(store: GrantStore) -> None:
    grant, _ = pending_grant()
    await store.open_grant(grant)

    def broken(_grant: DeviceGrant) -> DeviceGrant:
        raise ZeroDivisionError

    rules: list[GrantRule] = [broken, lambda g: g.approve(decision_by("ana", NOW), "cp-1.yaml"), broken]
    outcomes = await asyncio.gather(*(store.change_grant(grant.grant_id, r) for r in rules), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError, DeviceGrant, ZeroDivisionError]
    assert await store.find_grant(grant.grant_id) == outcomes[1]


async def test_concurrent_deliveries_are_all_stored(store: GrantStore) -> None:
    grant, code = pending_grant()
    await store.open_grant(grant)
    digest = access_token_digest(access_token(code, grant.token_salt))
    await store.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), "cp-1.yaml"))
    await store.change_grant(grant.grant_id, lambda g: g.redeem("talos", digest, GrantRules(), NOW))
    sent = [Delivery(NOW + n, "10.20.0.11", "ab" * 32, n) for n in range(10)]
    steps = [
        store.change_grant(grant.grant_id, partial(DeviceGrant.deliver, rules=GrantRules(), now=d.at), d) for d in sent
    ]
    assert all(isinstance(outcome, DeviceGrant) for outcome in await asyncio.gather(*steps))
    assert await store.deliveries(grant.grant_id) == sent
    stored = await store.find_grant(grant.grant_id)
    assert stored is not None
    assert (stored.deliveries, stored.delivered_at) == (10, NOW)


async def test_many_concurrent_machines_each_get_their_own_entry_and_token(store: GrantStore) -> None:
    machines = [pending_grant(identity=other_machine(n)) for n in range(100)]

    async def one(number: int) -> None:
        grant, code = machines[number]
        await store.open_grant(grant)
        digest = access_token_digest(access_token(code, grant.token_salt))
        redeem: GrantRule = partial(
            DeviceGrant.redeem, client_id="talos", token_digest=digest, rules=GrantRules(), now=NOW
        )
        with store.watch_grant(grant.grant_id) as wake:
            assert await store.change_grant(grant.grant_id, redeem) is Refusal.PENDING
            entry = f"{number}.yaml"
            approving = asyncio.create_task(
                store.change_grant(grant.grant_id, lambda g: g.approve(decision_by("ana", NOW), entry))
            )
            await asyncio.wait_for(wake, 10)
        polls = await asyncio.gather(*(store.change_grant(grant.grant_id, redeem) for _ in range(2)), approving)
        assert all(isinstance(outcome, DeviceGrant) for outcome in polls)
        found = await store.find_by_token(digest)
        assert found is not None
        assert (found.grant_id, found.entry, found.state) == (grant.grant_id, entry, GrantState.REDEEMED)

    await asyncio.gather(*(one(number) for number in range(len(machines))))
