"""What every operator store keeps to."""

from __future__ import annotations

import asyncio

import pytest

from bootgrant.ports.operator_store import Operator, OperatorStore, Session
from support.grants import NOW

pytestmark = pytest.mark.anyio
ANA = Operator("ana", "$argon2id$v=19$one", NOW)


def session(number: int, *, operator: str = "ana", created_at: float = NOW, seen_at: float = NOW) -> Session:
    return Session(bytes([number]) * 32, operator, created_at, seen_at)


async def test_an_operator_is_found_as_it_was_put(operators: OperatorStore) -> None:
    await operators.put_operator(ANA)
    found = await operators.find_operator("ana")
    assert found is not None
    assert (found.name, found.password_hash, found.created_at) == (ANA.name, ANA.password_hash, ANA.created_at)
    for stranger in ("Ana", "ana ", "", "a\0na", "ana\\"):
        assert await operators.find_operator(stranger) is None


async def test_a_name_is_kept_as_it_is(operators: OperatorStore) -> None:
    name = "a\\0 \0 ü '; --"
    await operators.put_operator(Operator(name, "hash", NOW))
    await operators.open_session(session(1, operator=name))
    found, signed_in = await operators.find_operator(name), await operators.find_session(session(1).digest)
    assert found is not None
    assert signed_in is not None
    assert found.name == signed_in.operator == name


async def test_a_session_lives_until_it_is_ended(operators: OperatorStore) -> None:
    await operators.put_operator(ANA)
    for number in (1, 2):
        await operators.open_session(session(number))
    assert await operators.find_session(session(1).digest) == session(1)
    await operators.end_session(session(1).digest)
    assert await operators.find_session(session(1).digest) is None
    assert await operators.find_session(session(2).digest) == session(2)
    await operators.end_session(session(1).digest)


async def test_a_session_remembers_when_it_was_last_seen(operators: OperatorStore) -> None:
    await operators.put_operator(ANA)
    await operators.open_session(session(1))
    await operators.touch_session(session(1).digest, NOW + 60)
    assert await operators.find_session(session(1).digest) == session(1, seen_at=NOW + 60)
    await operators.touch_session(session(9).digest, NOW)
    assert await operators.find_session(session(9).digest) is None


async def test_a_new_password_ends_the_sessions_of_that_operator_alone(operators: OperatorStore) -> None:
    ben = Operator("ben", "hash", NOW)
    for operator, number in ((ANA, 1), (ben, 2)):
        await operators.put_operator(operator)
        await operators.open_session(session(number, operator=operator.name))
    await operators.put_operator(Operator("ana", "$argon2id$v=19$two", NOW + 1))
    changed = await operators.find_operator("ana")
    assert changed is not None
    assert (changed.password_hash, changed.created_at) == ("$argon2id$v=19$two", NOW + 1)
    assert await operators.find_session(session(1).digest) is None
    assert await operators.find_session(session(2).digest) is not None


async def test_old_and_idle_sessions_go_together(operators: OperatorStore) -> None:
    await operators.put_operator(ANA)
    old, idle, live = session(1, created_at=NOW - 10), session(2, seen_at=NOW - 10), session(3)
    for one in (old, idle, live):
        await operators.open_session(one)
    await operators.end_sessions_before(created_at=NOW - 5, seen_at=NOW - 5)
    found = [await operators.find_session(one.digest) for one in (old, idle, live)]
    assert found == [None, None, live]


async def test_people_who_sign_in_at_once_all_get_their_session(operators: OperatorStore) -> None:
    await operators.put_operator(ANA)
    sessions = [session(number) for number in range(50)]
    await asyncio.gather(*(operators.open_session(one) for one in sessions))
    assert await asyncio.gather(*(operators.find_session(one.digest) for one in sessions)) == sessions
