"""The contract of every store about logins of command lines."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from bootgrant.approval.operators import Label, Role
from bootgrant.ports.logins import KEPT_AFTER_EXPIRY, TAKEN_WITHIN, Consent, DecidedLogin, PendingLogin, Unfinished
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio
LOGIN = PendingLogin(
    b"s" * 32, b"c" * 32, "laptop", "ana\u202e", "10.0.0.9", NOW, NOW + 600, Role.VIEWER, (Label("site", "fra"),),
    43200.0,
)  # fmt: skip
CONSENT = Consent("ana", "passkey", Role.APPROVER, (Label("rack", "4"), Label("site", "fra")), 3600.0)


def login(number: int, **changes: object) -> PendingLogin:
    one = replace(LOGIN, secret_digest=bytes([number]) * 32, code_digest=bytes([number, 0]) * 16)
    return replace(one, **changes)  # type: ignore[arg-type]


async def test_a_login_waits_until_it_is_approved_and_is_taken_once(database: Database) -> None:
    store = database.logins
    assert await store.add_login(LOGIN, NOW, 10)
    assert await store.find_login(LOGIN.code_digest, NOW + 1) == LOGIN
    assert await store.take_login(LOGIN.secret_digest, NOW + 1) is Unfinished.WAITING
    assert await store.decide_login(LOGIN.code_digest, CONSENT, NOW + 2)
    assert await store.find_login(LOGIN.code_digest, NOW + 3) is None
    assert not await store.decide_login(LOGIN.code_digest, None, NOW + 3)
    decided = replace(LOGIN, expires_at=NOW + 2 + TAKEN_WITHIN)
    assert await store.take_login(LOGIN.secret_digest, NOW + 3) == DecidedLogin(decided, CONSENT)
    assert await store.take_login(LOGIN.secret_digest, NOW + 3) is None


async def test_a_denied_login_is_taken_without_consent(database: Database) -> None:
    store = database.logins
    await store.add_login(LOGIN, NOW, 10)
    assert await store.decide_login(LOGIN.code_digest, None, NOW)
    taken = await store.take_login(LOGIN.secret_digest, NOW)
    assert isinstance(taken, DecidedLogin)
    assert taken.consent is None


async def test_a_decision_is_taken_within_a_minute_or_never(database: Database) -> None:
    store = database.logins
    await store.add_login(LOGIN, NOW, 10)
    await store.decide_login(LOGIN.code_digest, CONSENT, NOW + 2)
    assert await store.take_login(LOGIN.secret_digest, NOW + 2 + TAKEN_WITHIN) is Unfinished.EXPIRED
    assert isinstance(await store.take_login(LOGIN.secret_digest, NOW + 1 + TAKEN_WITHIN), DecidedLogin)


async def test_an_expired_login_is_neither_found_nor_decided_nor_taken(database: Database) -> None:
    store, late = database.logins, LOGIN.expires_at
    await store.add_login(LOGIN, NOW, 10)
    assert await store.find_login(LOGIN.code_digest, late) is None
    assert not await store.decide_login(LOGIN.code_digest, CONSENT, late)
    assert await store.take_login(LOGIN.secret_digest, late) is Unfinished.EXPIRED
    assert await store.decide_login(LOGIN.code_digest, CONSENT, late - 1)
    assert await store.take_login(LOGIN.secret_digest, late) is Unfinished.EXPIRED


async def test_codes_are_unique_and_logins_limited_until_old_ones_are_forgotten(database: Database) -> None:
    store = database.logins
    assert await store.add_login(login(1), NOW, 2)
    assert not await store.add_login(login(2, code_digest=login(1).code_digest), NOW, 2)
    assert await store.add_login(login(2), NOW, 2)
    assert not await store.add_login(login(3), NOW, 2)
    later = LOGIN.expires_at + KEPT_AFTER_EXPIRY
    assert await store.take_login(login(1).secret_digest, later) is Unfinished.EXPIRED
    assert await store.add_login(login(3, expires_at=later + 600), later, 2)
    assert await store.take_login(login(1).secret_digest, later) is None


async def test_of_many_decisions_and_many_takers_one_succeeds(database: Database) -> None:
    store = database.logins
    await store.add_login(LOGIN, NOW, 10)
    decided = await asyncio.gather(
        *(store.decide_login(LOGIN.code_digest, consent, NOW) for consent in (CONSENT, None, CONSENT, None))
    )
    assert sorted(decided) == [False, False, False, True]
    taken = await asyncio.gather(*(store.take_login(LOGIN.secret_digest, NOW) for _ in range(4)))
    assert len([one for one in taken if isinstance(one, DecidedLogin)]) == 1
