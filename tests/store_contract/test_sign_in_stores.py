"""The contract of every store of passkeys, challenges and API tokens."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.operators import Label, Role
from bootgrant.ports.people import ApiToken, Challenge, Operator, Passkey, Purpose
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio
ANA = Operator("ana", "hash", NOW, Role.ADMIN)
BEN = Operator("ben", "hash", NOW, Role.ADMIN)
PHONE = Passkey(b"\0id", "ana", b"handle", b"cose\0key", 7, "Ana's \\ phone", NOW)
TOKEN = ApiToken("ci", b"d" * 32, Role.APPROVER, (Label("site", "fra"),), NOW, "ana (admin.sock)", NOW + 60)


@pytest.fixture
async def staffed(database: Database) -> Database:
    for operator in (ANA, BEN):
        await database.operators.add_operator(operator)
    return database


async def test_a_passkey_is_found_with_its_operator(staffed: Database) -> None:
    assert await staffed.passkeys.add_passkey(PHONE)
    found = await staffed.passkeys.find_passkey(PHONE.credential_id)
    assert found is not None
    assert found[0] == PHONE
    assert found[1].name == "ana"
    assert await staffed.passkeys.find_passkey(b"other") is None


async def test_a_credential_cannot_be_registered_by_two_operators(staffed: Database) -> None:
    assert await staffed.passkeys.add_passkey(PHONE)
    assert not await staffed.passkeys.add_passkey(replace(PHONE, operator="ben"))
    assert await staffed.passkeys.passkeys_of("ben") == []


async def test_the_passkeys_of_an_operator_are_listed_oldest_first(staffed: Database) -> None:
    for number, at in ((1, NOW + 2), (2, NOW)):
        await staffed.passkeys.add_passkey(replace(PHONE, credential_id=bytes([number]), created_at=at))
    assert [passkey.credential_id for passkey in await staffed.passkeys.passkeys_of("ana")] == [b"\2", b"\1"]


async def test_a_signature_count_is_accepted_once(staffed: Database) -> None:
    await staffed.passkeys.add_passkey(PHONE)
    used = await asyncio.gather(*(staffed.passkeys.use_passkey(PHONE, 8, NOW + 1) for _ in range(5)))
    assert sorted(used) == [False] * 4 + [True]
    (stored,) = await staffed.passkeys.passkeys_of("ana")
    assert (stored.sign_count, stored.used_at) == (8, NOW + 1)


async def test_operators_remove_only_their_own_passkeys(staffed: Database) -> None:
    await staffed.passkeys.add_passkey(PHONE)
    assert not await staffed.passkeys.remove_passkey("ben", PHONE.credential_id)
    assert await staffed.passkeys.remove_passkey("ana", PHONE.credential_id)
    assert not await staffed.passkeys.remove_passkey("ana", PHONE.credential_id)
    await staffed.passkeys.add_passkey(PHONE)
    await staffed.passkeys.remove_passkeys("ben")
    assert len(await staffed.passkeys.passkeys_of("ana")) == 1
    await staffed.passkeys.remove_passkeys("ana")
    assert await staffed.passkeys.passkeys_of("ana") == []


async def test_a_challenge_is_answered_once(database: Database) -> None:
    await database.challenges.put_challenge(Challenge(b"c" * 32, Purpose.AGAIN, "about \0 it", NOW + 60), NOW)
    takes = (database.challenges.take_challenge(b"c" * 32, Purpose.AGAIN, NOW + 1) for _ in range(10))
    taken = await asyncio.gather(*takes)
    assert sorted(taken, key=str) == [None] * 9 + ["about \0 it"]


async def test_a_challenge_serves_only_its_purpose_until_it_expires(database: Database) -> None:
    challenges = database.challenges
    await challenges.put_challenge(Challenge(b"c" * 32, Purpose.REGISTER, "", NOW + 60), NOW)
    assert await challenges.take_challenge(b"c" * 32, Purpose.SIGN_IN, NOW) is None
    assert await challenges.take_challenge(b"d" * 32, Purpose.REGISTER, NOW) is None
    assert await challenges.take_challenge(b"c" * 32, Purpose.REGISTER, NOW + 60) is None
    await challenges.put_challenge(Challenge(b"e" * 32, Purpose.REGISTER, "", NOW + 120), NOW + 61)
    assert await challenges.take_challenge(b"c" * 32, Purpose.REGISTER, NOW) is None
    assert await challenges.take_challenge(b"e" * 32, Purpose.REGISTER, NOW) == ""


async def test_a_token_is_found_by_its_digest_until_it_is_removed(database: Database) -> None:
    tokens = database.api_tokens
    assert await tokens.add_token(TOKEN)
    assert not await tokens.add_token(replace(TOKEN, digest=b"e" * 32))
    assert await tokens.find_token(TOKEN.digest) == TOKEN
    assert await tokens.find_token(b"e" * 32) is None
    await tokens.touch_token(TOKEN.digest, NOW + 5)
    assert await tokens.tokens() == [replace(TOKEN, used_at=NOW + 5)]
    assert await tokens.remove_token("ci")
    assert not await tokens.remove_token("ci")
    assert await tokens.find_token(TOKEN.digest) is None
