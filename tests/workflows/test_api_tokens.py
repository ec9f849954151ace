"""Tokens of programs: shown once, recognised, expired, revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.approval.operators import Actor, Label, Role
from bootgrant.ports.database import Database
from bootgrant.store.memory import MemoryDatabase
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.secret import Secret
from bootgrant.workflows.api_tokens import ApiTokens, NewToken, TokenRefused
from bootgrant.workflows.close_windows import CloseWindows
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW

pytestmark = pytest.mark.anyio
ANA = Actor("ana", Role.ADMIN)
FRA = Label("site", "fra")
DAY = 86400.0


def tokens_of(database: Database, clock: FakeClock) -> ApiTokens:
    windows = CloseWindows(database.windows, database.audit, clock)
    return ApiTokens(database.api_tokens, clock, CountedEntropy(), windows)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def tokens(clock: FakeClock) -> ApiTokens:
    return tokens_of(MemoryDatabase(), clock)


async def make(tokens: ApiTokens, name: str = "ci", lifetime: float = DAY) -> Secret:
    made = await tokens.create(name, Role.APPROVER, (FRA,), lifetime, ANA)
    assert isinstance(made, NewToken)
    return made.secret


async def test_a_token_is_recognised_with_its_role_and_its_labels(tokens: ApiTokens) -> None:
    secret = await make(tokens)
    assert secret.reveal().startswith("bootgrant_")
    assert await tokens.authenticate(secret) == Actor("ci", Role.APPROVER, (FRA,), "token:ci", "ana")


async def test_the_store_has_the_digest_and_not_the_token(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW) as database:
        secret = await make(tokens_of(database, FakeClock(NOW)))
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert secret.reveal().removeprefix("bootgrant_").encode() not in stored
    assert "bootgrant_" not in repr(secret)


async def test_a_token_ends_when_it_expires(tokens: ApiTokens, clock: FakeClock) -> None:
    secret = await make(tokens)
    clock.advance(DAY - 1)
    assert await tokens.authenticate(secret) is not None
    clock.advance(1)
    assert await tokens.authenticate(secret) is None


async def test_a_revoked_token_opens_nothing(tokens: ApiTokens) -> None:
    secret = await make(tokens)
    assert await tokens.revoke("ci")
    assert await tokens.authenticate(secret) is None
    assert not await tokens.revoke("ci")


@pytest.mark.parametrize("shown", ["", "bootgrant_", "bootgrant_" + "x" * 43, "x" * 53, "bootgrant_" + "ü" * 43])
async def test_what_is_no_token_is_nobody(tokens: ApiTokens, shown: str) -> None:
    await make(tokens)
    assert await tokens.authenticate(Secret(shown)) is None


async def test_the_list_says_who_made_a_token_and_when_it_was_used(tokens: ApiTokens, clock: FakeClock) -> None:
    secret = await make(tokens)
    clock.advance(100)
    await tokens.authenticate(secret)
    clock.advance(30)
    await tokens.authenticate(secret)
    (listed,) = await tokens.list()
    assert (listed.created_by, listed.created_at, listed.used_at) == ("ana", NOW, NOW + 100)


async def test_one_name_is_one_token(tokens: ApiTokens) -> None:
    await make(tokens)
    refused = await tokens.create("ci", Role.ADMIN, (), DAY, ANA)
    assert isinstance(refused, TokenRefused)
    assert "revoke it first" in refused.message
    (listed,) = await tokens.list()
    assert listed.role is Role.APPROVER


@pytest.mark.parametrize(("name", "lifetime"), [("", DAY), ("a b", DAY), ("x" * 65, DAY), ("ci", 0), ("ci", 400 * DAY)])
async def test_a_bad_name_or_lifetime_makes_no_token(tokens: ApiTokens, name: str, lifetime: float) -> None:
    assert isinstance(await tokens.create(name, Role.VIEWER, (), lifetime, ANA), TokenRefused)
    assert await tokens.list() == []
