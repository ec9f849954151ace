"""An admin accepts an older database: what is known to be revoked is revoked again, everything from before ends."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.approval.epoch import Seen, Taken
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Label, Refused, Role, socket_actor
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import ApiToken, Operator, Passkey
from bootgrant.workflows.people.accept_older import Accepted, AcceptOlder, OlderDatabase
from bootgrant.workflows.record.audit import verify
from support.fakes import FakeClock
from support.grants import NOW, decision_by, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
ROOT = socket_actor("root")
FRA = Label("site", "fra")
BEN = Operator("ben", "hash", NOW, Role.ADMIN)


def lost_record(seq: int, kind: AuditKind, **details: str) -> Taken:
    return Taken(Head(seq, f"{seq:064x}"), NOW, kind, "ana", details=details)


def changed(seq: int, done: str, **rights: str) -> Taken:
    return lost_record(seq, AuditKind.OPERATOR_CHANGED, operator="ben", done=done, **rights)


@dataclass(slots=True)
class Older:
    """A database with one record, whose server has seen twenty and remembers ``taken``."""

    taken: tuple[Taken, ...] = ()
    database: MemoryDatabase = field(default_factory=MemoryDatabase)

    @property
    def accepting(self) -> AcceptOlder:
        stores = self.database
        seen = Seen(1, Head(20, "f" * 64), NOW, self.taken)
        return AcceptOlder(stores.epochs, stores.grants, stores.operators, stores.passkeys, FakeClock(NOW + 10), seen)

    async def accept(self) -> Accepted:
        await self.database.audit.append([AuditEvent(NOW, AuditKind.OPENED)])
        accepted = await self.accepting.accept(ROOT)
        assert isinstance(accepted, Accepted)
        assert (await verify(self.database.audit)).broken is None
        return accepted

    async def ben(self) -> Operator:
        found = await self.database.operators.find_operator("ben")
        assert found is not None
        return found


async def test_the_acceptance_is_recorded_with_what_is_missing() -> None:
    older = Older()
    accepted = await older.accept()
    assert (accepted.epoch, accepted.older.records) == (2, 19)
    [record] = await older.database.audit.newest(AuditFilter(kinds=(AuditKind.RESTORED,)), 5)
    assert record.event.actor == "root (admin.sock)"
    assert record.event.details == {"epoch": 2, "seen": f"20:{'f' * 64}", "missing": 19}


async def test_a_token_does_not_come_back() -> None:
    older = Older()
    await older.database.api_tokens.add_token(ApiToken("ci", b"t" * 32, Role.ADMIN, (), NOW, "ana", NOW + 60))
    await older.accept()
    assert not await older.database.api_tokens.tokens()


@pytest.mark.parametrize(
    ("done", "is_disabled"),
    [
        (["disabled"], True),
        (["disabled by the provider"], True),
        (["disabled", "enabled"], False),
        (["enabled", "disabled"], True),
        (["disabled", "changed"], True),
        (["registered the passkey x"], False),
    ],
)
async def test_an_operator_is_as_disabled_as_the_last_lost_change_says(done: list[str], *, is_disabled: bool) -> None:
    older = Older(tuple(changed(5 + number, text) for number, text in enumerate(done)))
    await older.database.operators.add_operator(BEN)
    await older.accept()
    assert ((await older.ben()).disabled_at is not None) is is_disabled


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ({"role_after": "viewer", "labels_after": "every machine"}, (Role.VIEWER, ())),
        ({"role_after": "admin", "labels_after": "site=fra"}, (Role.ADMIN, (FRA,))),
        ({"role_after": "admin", "labels_after": "every machine"}, (Role.ADMIN, ())),
        ({"role_after": "nonsense", "labels_after": "?"}, (Role.ADMIN, ())),
        ({}, (Role.ADMIN, ())),
    ],
)
async def test_lower_rights_are_lower_again(rights: dict[str, str], expected: tuple[Role, tuple[Label, ...]]) -> None:
    older = Older((changed(5, "changed", **rights),))
    await older.database.operators.add_operator(BEN)
    await older.accept()
    ben = await older.ben()
    assert (ben.role, ben.labels) == expected


async def test_higher_rights_are_not_given_again() -> None:
    older = Older((changed(5, "changed", role_after="admin", labels_after="every machine"),))
    await older.database.operators.add_operator(replace(BEN, role=Role.VIEWER, labels=(FRA,)))
    await older.accept()
    ben = await older.ben()
    assert (ben.role, ben.labels) == (Role.VIEWER, (FRA,))


@pytest.mark.parametrize(
    ("done", "has_password", "has_passkey"),
    [("changed their password", False, True), ("removed a passkey", True, False), ("reset", False, False)],
)
async def test_a_changed_password_and_a_removed_passkey_do_not_come_back(
    done: str, *, has_password: bool, has_passkey: bool
) -> None:
    older = Older((changed(5, done),))
    await older.database.operators.add_operator(BEN)
    await older.database.passkeys.add_passkey(Passkey(b"id", "ben", b"h", b"k", 0, "phone", NOW))
    accepted = await older.accept()
    assert bool((await older.ben()).password_hash) is has_password
    assert bool(await older.database.passkeys.passkeys_of("ben")) is has_passkey
    assert any("ben" in line for line in accepted.done)


async def test_a_machine_that_was_denied_is_denied_again() -> None:
    grant, _ = pending_grant()
    older = Older((replace(lost_record(5, AuditKind.DENIED), grant_id=grant.grant_id, reason="not ours"),))
    await older.database.grants.open_grant(grant)
    await older.accept()
    found = await older.database.grants.find_grant(grant.grant_id)
    assert found is not None
    assert found.decision is not None
    assert (found.state, found.decision.reason) == (GrantState.DENIED, "not ours")


async def test_a_denial_that_was_taken_back_stays_so() -> None:
    grant, _ = pending_grant()
    kinds = (AuditKind.DENIED, AuditKind.UNDENIED)
    records = (replace(lost_record(5 + n, kind), grant_id=grant.grant_id) for n, kind in enumerate(kinds))
    older = Older(tuple(records))
    await older.database.grants.open_grant(grant)
    await older.accept()
    found = await older.database.grants.find_grant(grant.grant_id)
    assert found is not None
    assert found.state is GrantState.PENDING


@pytest.mark.parametrize("kind", [None, AuditKind.REVOKED, AuditKind.DENIED])
async def test_an_approval_that_was_not_delivered_does_not_count(kind: AuditKind | None) -> None:
    grant, _ = pending_grant()
    taken = () if kind is None else (replace(lost_record(5, kind), grant_id=grant.grant_id),)
    older = Older(taken)
    await older.database.grants.open_grant(grant)

    def approve(stored: DeviceGrant) -> object:
        return stored.approve(decision_by("ana", NOW), "cp-1")

    await older.database.grants.change_grant(grant.grant_id, approve)  # type: ignore[arg-type]
    await older.accept()
    found = await older.database.grants.find_grant(grant.grant_id)
    assert found is not None
    assert found.state is (GrantState.VOID if kind is None else GrantState.REVOKED)


async def test_a_waiting_machine_keeps_its_code() -> None:
    grant, _ = pending_grant()
    older = Older()
    await older.database.grants.open_grant(grant)
    await older.accept()
    assert await older.database.grants.find_by_user_code(grant.user_code_digest) == grant


async def test_what_another_waiting_server_has_seen_counts_as_well() -> None:
    older = Older()
    other = Seen(1, Head(25, "e" * 64), NOW, (lost_record(24, AuditKind.TOKEN_CHANGED, token="ci", done="revoked"),))
    await older.database.epochs.report("b:/data", other, NOW)
    looked = await older.accepting.look()
    assert isinstance(looked, OlderDatabase)
    assert (looked.records, [str(each) for each in looked.lost.taken]) == (25, ["token ci revoked by ana"])
    await older.accept()
    recorded = await older.database.epochs.recorded(other)
    assert [each.covered_seq for each in recorded.acceptances] == [25]


async def test_a_head_that_was_noted_elsewhere_says_how_many_records_are_missing() -> None:
    older = Older()
    head = await older.database.audit.append([AuditEvent(NOW, AuditKind.OPENED)])
    for noted, missing in ((head, 19), (Head(31, "d" * 64), 30)):
        looked = await older.accepting.look(noted)
        assert isinstance(looked, OlderDatabase)
        assert looked.records == missing
    refused = await older.accepting.accept(ROOT, Head(1, "d" * 64))
    assert isinstance(refused, Refused)
    assert "a copy of another database" in str(refused)
    assert not await older.database.audit.newest(AuditFilter(kinds=(AuditKind.RESTORED,)), 5)
