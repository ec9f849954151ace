"""The contract of every store about people who leave: provider sessions, remembered sign-outs, and checks."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.operators import Kind, Role
from bootgrant.ports.people import BY_PROVIDER, Operator, Session
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio
ISSUER = "https://sso.example"
ANA = Operator("corp:ana", "", NOW, Role.APPROVER, (), Kind.OIDC, issuer=ISSUER, subject="8f1")
BEN = Operator("lab:ben", "", NOW, Role.APPROVER, (), Kind.OIDC, issuer="https://lab.example", subject="8f1")
OPEN = Session(
    b"1" * 32, ANA.name, NOW, NOW, NOW, "oidc:corp",
    provider_session="sid \\ one", renewal="sealed", renewal_until=NOW + 1800, checked_at=NOW,
)  # fmt: skip


@pytest.fixture
async def signed_in(database: Database) -> Database:
    for operator in (ANA, BEN):
        await database.operators.add_operator(operator)
    await database.operators.open_session(OPEN)
    return database


async def stored(database: Database, digest: bytes = OPEN.digest) -> Session:
    found = await database.operators.find_session(digest)
    assert found is not None
    return found[0]


async def test_a_session_keeps_what_it_knows_of_the_provider_s(signed_in: Database) -> None:
    assert await stored(signed_in) == OPEN
    assert await signed_in.operators.sessions_of(ANA.name) == [OPEN]


async def test_sessions_are_found_by_the_provider_s_session_and_its_issuer(signed_in: Database) -> None:
    other = replace(OPEN, digest=b"2" * 32, created_at=NOW + 1)
    unknown = replace(OPEN, digest=b"3" * 32, provider_session="")
    elsewhere = replace(OPEN, digest=b"4" * 32, operator=BEN.name)
    for session in (other, unknown, elsewhere):
        await signed_in.operators.open_session(session)
    find = signed_in.operators.sessions_at
    assert await find(ISSUER, OPEN.provider_session) == [other, OPEN]
    assert await find(BEN.issuer, OPEN.provider_session) == [elsewhere]
    assert await find(ISSUER, "sid") == []
    assert await find(ISSUER, "") == []


async def test_a_sign_out_is_remembered_until_it_expires(database: Database) -> None:
    store = database.sign_outs
    assert await store.sign_out_noted(b"one", NOW) is None
    await store.note_sign_out(b"one", NOW, NOW + 600)
    assert await store.sign_out_noted(b"one", NOW + 599) == NOW
    assert await store.sign_out_noted(b"one", NOW + 600) is None
    assert await store.sign_out_noted(b"two", NOW) is None
    await store.note_sign_out(b"one", NOW + 5, NOW + 605)
    assert await store.sign_out_noted(b"one", NOW + 600) == NOW + 5


async def test_one_of_many_servers_claims_a_check(signed_in: Database) -> None:
    checks = signed_in.session_checks
    claimed = await asyncio.gather(*(checks.claim_check(OPEN, NOW, NOW + 30) for _ in range(10)))
    assert sorted(claimed) == [False] * 9 + [True]
    assert await checks.sessions_to_check(OPEN.via, NOW + 60, NOW + 29, 10) == []
    assert await checks.claim_check(OPEN, NOW + 30, NOW + 60)


async def test_a_claim_ends_when_it_is_released(signed_in: Database) -> None:
    checks = signed_in.session_checks
    assert await checks.claim_check(OPEN, NOW, NOW + 30)
    await checks.release_check(OPEN.digest)
    assert await checks.claim_check(OPEN, NOW, NOW + 30)
    assert await stored(signed_in) == OPEN


async def test_a_replaced_refresh_token_is_not_used_again(signed_in: Database) -> None:
    checks = signed_in.session_checks
    assert await checks.claim_check(OPEN, NOW, NOW + 30)
    assert await checks.keep_check(OPEN, "sealed again", None, NOW + 1)
    after = replace(OPEN, renewal="sealed again", renewal_until=None, checked_at=NOW + 1)
    assert await stored(signed_in) == after
    assert not await checks.claim_check(OPEN, NOW + 2, NOW + 30)
    assert not await checks.keep_check(OPEN, "of a slow server", None, NOW + 3)
    assert await checks.claim_check(after, NOW + 2, NOW + 30)
    await signed_in.operators.end_session(OPEN.digest)
    assert not await checks.keep_check(after, "late", None, NOW + 3)


async def test_the_session_that_was_checked_longest_ago_is_next(signed_in: Database) -> None:
    for number, checked_at, renewal in ((2, NOW - 9, "sealed"), (3, NOW - 20, ""), (4, NOW + 9, "sealed")):
        session = replace(OPEN, digest=bytes([number]) * 32, checked_at=checked_at, renewal=renewal)
        await signed_in.operators.open_session(session)
    due = await signed_in.session_checks.sessions_to_check(OPEN.via, NOW + 1, NOW, 10)
    assert [session.checked_at for session in due] == [NOW - 9, NOW]
    assert len(await signed_in.session_checks.sessions_to_check(OPEN.via, NOW + 1, NOW, 1)) == 1


async def test_sessions_of_other_providers_do_not_keep_a_session_waiting(signed_in: Database) -> None:
    other = replace(OPEN, digest=bytes([2]) * 32, checked_at=NOW - 9, via="oidc:old")
    await signed_in.operators.open_session(other)
    assert await signed_in.session_checks.sessions_to_check(OPEN.via, NOW + 1, NOW, 1) == [OPEN]
    assert await signed_in.session_checks.sessions_to_check("oidc:old", NOW + 1, NOW, 1) == [other]


async def test_an_operator_remembers_that_the_provider_disabled_them(signed_in: Database) -> None:
    async def disabled() -> tuple[float | None, str]:
        found = await signed_in.operators.find_operator(ANA.name)
        assert found is not None
        return found.disabled_at, found.disabled_by

    await signed_in.operators.set_disabled(ANA.name, NOW, by=BY_PROVIDER)
    assert await disabled() == (NOW, BY_PROVIDER)
    assert await signed_in.operators.find_session(OPEN.digest) is None
    assert await signed_in.operators.set_disabled(ANA.name, None, by=BY_PROVIDER)
    assert await disabled() == (None, "")
    await signed_in.operators.set_disabled(ANA.name, NOW, by=BY_PROVIDER)
    await signed_in.operators.set_disabled(ANA.name, NOW + 1)
    assert await disabled() == (NOW + 1, "")
    # What an admin did meanwhile counts: the provider neither changes nor ends it.
    for at in (NOW + 2, None):
        assert not await signed_in.operators.set_disabled(ANA.name, at, by=BY_PROVIDER)
        assert await disabled() == (NOW + 1, "")
    await signed_in.operators.set_disabled(ANA.name, None)
    assert await disabled() == (None, "")
