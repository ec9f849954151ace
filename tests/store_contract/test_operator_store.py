"""The contract of every store of operators and sessions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.operators import Kind, Label, Role
from bootgrant.approval.role_grace import Confirmed
from bootgrant.ports.people import Operator, OperatorStore, Session, Stage
from support.grants import NOW

pytestmark = pytest.mark.anyio
FRA = Label("site", "fra")
ANA = Operator("ana", "$argon2id$v=19$one", NOW, Role.APPROVER, (Label("rack", "4"), FRA))
BEN = Operator("corp:ben", "", NOW, Role.VIEWER, (), Kind.OIDC, issuer="https://sso.example", subject="8f\0\\2")


def session(number: int, *, operator: str = "ana", created_at: float = NOW, seen_at: float = NOW) -> Session:
    place = ("10.0.0.5", "a \\ browser\0")
    return Session(
        bytes([number]) * 32, operator, created_at, seen_at, NOW - 5, "oidc:corp", Stage.ENROLMENT, *place, "sealed"
    )


async def digest_found(operators: OperatorStore, one: Session) -> Session | None:
    found = await operators.find_session(one.digest)
    return found[0] if found else None


async def test_an_added_operator_is_found_unchanged(operators: OperatorStore) -> None:
    disabled = replace(ANA, name="cyd", kind=Kind.BREAK_GLASS, disabled_at=NOW + 1, seen_at=NOW + 2)
    for operator in (ANA, BEN, disabled):
        assert await operators.add_operator(operator)
        assert same(await operators.find_operator(operator.name), operator)
    for stranger in ("Ana", "ana ", "", "a\0na", "ana\\"):
        assert await operators.find_operator(stranger) is None
    assert [operator.name for operator in await operators.operators()] == ["ana", "corp:ben", "cyd"]


def same(found: Operator | None, operator: Operator) -> bool:
    """Compare operators. Their repr shows nothing, so a failure names the operator."""
    assert found is not None, operator.name
    return found == operator


async def test_a_name_with_unusual_characters_is_stored_unchanged(operators: OperatorStore) -> None:
    name = "a\\0 \0 ü '; --"
    await operators.add_operator(replace(ANA, name=name))
    await operators.open_session(session(1, operator=name))
    found = await operators.find_session(session(1).digest)
    assert found is not None
    assert found[0].operator == found[1].name == name


async def test_a_name_cannot_be_added_twice(operators: OperatorStore) -> None:
    assert await operators.add_operator(ANA)
    assert not await operators.add_operator(replace(ANA, password_hash="another", role=Role.ADMIN))
    assert same(await operators.find_operator("ana"), ANA)


async def test_one_of_many_concurrent_additions_of_a_name_succeeds(operators: OperatorStore) -> None:
    added = await asyncio.gather(*(operators.add_operator(replace(ANA, created_at=NOW + n)) for n in range(20)))
    assert sorted(added) == [False] * 19 + [True]


async def test_a_provider_s_subject_is_one_operator(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.add_operator(BEN)
    assert not await operators.add_operator(replace(BEN, name="corp:other"))
    assert await operators.add_operator(replace(BEN, name="lab:ben", issuer="https://lab.example"))
    found = await operators.find_subject(BEN.issuer, BEN.subject)
    assert found is not None
    assert same(found, BEN)
    assert await operators.find_subject("", "") is None
    assert await operators.find_subject("https://lab.example", "other") is None


async def test_which_claims_gave_the_rights_is_stored_until_none_do(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.add_operator(BEN)
    confirmed = Confirmed(NOW + 0.25, ("groups", "https://x.example/a b", 'q"\0ü'))
    assert await operators.confirmed("corp:ben") is None
    await operators.set_confirmed("corp:ben", confirmed)
    assert await operators.confirmed("corp:ben") == confirmed
    assert await operators.confirmed("ana") is None
    assert same(await operators.find_subject(BEN.issuer, BEN.subject), BEN)
    await operators.set_confirmed("corp:ben", None)
    assert await operators.confirmed("corp:ben") is None
    await operators.set_confirmed("nobody", confirmed)
    assert await operators.confirmed("nobody") is None


async def test_changed_rights_apply_to_open_sessions(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.open_session(session(1))
    assert await operators.set_rights("ana", Role.ADMIN, ())
    found = await operators.find_session(session(1).digest)
    assert found is not None
    assert (found[1].role, found[1].labels) == (Role.ADMIN, ())
    assert not await operators.set_rights("eve", Role.ADMIN, ())


async def test_disabling_an_operator_ends_their_sessions(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.open_session(session(1))
    assert await operators.set_disabled("ana", NOW + 9)
    found = await operators.find_operator("ana")
    assert found is not None
    assert found.disabled_at == NOW + 9
    assert await operators.find_session(session(1).digest) is None
    assert await operators.set_disabled("ana", None)
    assert not await operators.set_disabled("eve", NOW)


async def test_a_new_password_ends_only_the_sessions_of_that_operator(operators: OperatorStore) -> None:
    for operator, number in ((ANA, 1), (BEN, 2)):
        await operators.add_operator(operator)
        await operators.open_session(session(number, operator=operator.name))
    assert await operators.set_password("ana", "$argon2id$v=19$two")
    changed = await operators.find_operator("ana")
    assert changed is not None
    assert (changed.password_hash, changed.role, changed.created_at) == ("$argon2id$v=19$two", ANA.role, NOW)
    assert await operators.find_session(session(1).digest) is None
    assert await operators.find_session(session(2).digest) is not None
    assert not await operators.set_password("eve", "")


async def test_a_session_is_found_with_its_operator_until_it_ends(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    for number in (1, 2):
        await operators.open_session(session(number))
    found = await operators.find_session(session(1).digest)
    assert found is not None
    assert found[0] == session(1)
    assert same(found[1], replace(ANA, seen_at=NOW))
    await operators.end_session(session(1).digest)
    assert await operators.find_session(session(1).digest) is None
    assert await digest_found(operators, session(2)) == session(2)
    await operators.end_session(session(1).digest)


async def test_a_session_and_its_operator_note_when_they_were_last_seen(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.open_session(session(1))
    await operators.touch_session(session(1).digest, NOW + 60)
    found = await operators.find_session(session(1).digest)
    assert found is not None
    assert (found[0].seen_at, found[1].seen_at) == (NOW + 60, NOW + 60)
    await operators.touch_session(session(9).digest, NOW)
    assert await operators.find_session(session(9).digest) is None


async def test_the_sessions_of_an_operator_are_listed_newest_first(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    await operators.add_operator(BEN)
    for number, created_at in ((1, NOW), (2, NOW + 2), (3, NOW + 1)):
        await operators.open_session(session(number, created_at=created_at))
    await operators.open_session(session(4, operator=BEN.name))
    assert [one.digest[0] for one in await operators.sessions_of("ana")] == [2, 3, 1]
    assert await operators.sessions_of("eve") == []


async def test_old_and_idle_sessions_are_deleted(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    old, idle, live = session(1, created_at=NOW - 10), session(2, seen_at=NOW - 10), session(3)
    for one in (old, idle, live):
        await operators.open_session(one)
    await operators.end_sessions_before(created_at=NOW - 5, seen_at=NOW - 5)
    assert [await digest_found(operators, one) for one in (old, idle, live)] == [None, None, live]


async def test_concurrent_sign_ins_all_get_a_session(operators: OperatorStore) -> None:
    await operators.add_operator(ANA)
    sessions = [session(number) for number in range(50)]
    await asyncio.gather(*(operators.open_session(one) for one in sessions))
    assert await asyncio.gather(*(digest_found(operators, one) for one in sessions)) == sessions
