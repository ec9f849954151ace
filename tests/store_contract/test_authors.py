"""The author of a decision, vote or window, and how they signed in, survives a restart and still counts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bootgrant.approval.decision import Decision, Terms
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.operators import VIA_RULE, Actor, Author, Role, via_token
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.store.database import Database
from bootgrant.store.grant_rows import COLUMNS, from_row, to_row
from bootgrant.store.postgres.database import open_postgres
from bootgrant.store.sqlite.database import SqliteDatabase
from support.grants import NOW, decision_by, pending_grant

pytestmark = pytest.mark.anyio
Opened: TypeAlias = Callable[[], AbstractAsyncContextManager[Database]]
ANA = Actor("laptop", Role.APPROVER, via=via_token("laptop"), owner="ana").author
TWO = Terms(needed=2, fingerprint="cp-1")


@asynccontextmanager
async def _sqlite(folder: Path) -> AsyncIterator[Database]:
    with SqliteDatabase(folder, NOW) as database:
        yield database


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Open one database several times, as a restarted server does."""
    if request.param == "sqlite":
        return partial(_sqlite, tmp_path)
    return partial(open_postgres, request.getfixturevalue("address"), 2)


@pytest.mark.parametrize(
    "author",
    [Author("ana"), Author("ana", "passkey"), ANA, Author("", via_token("ci")), Author("rule spare", VIA_RULE)],
)
async def test_a_decision_keeps_its_author(opened: Opened, author: Author) -> None:
    grant, _ = pending_grant()
    async with opened() as database:
        await database.grants.open_grant(grant)
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(Decision(author, NOW), "cp-1"))
    async with opened() as database:
        found = await database.grants.find_grant(grant.grant_id)
    assert found is not None
    assert found.decision == Decision(author, NOW)


async def test_a_vote_keeps_its_author_and_counts_as_that_person(opened: Opened) -> None:
    grant, _ = pending_grant()
    async with opened() as database:
        await database.grants.open_grant(grant)
        await database.grants.change_grant(grant.grant_id, lambda g: g.approve(Decision(ANA, NOW), "cp-1", TWO))
    async with opened() as database:
        again = await database.grants.change_grant(
            grant.grant_id, lambda g: g.approve(decision_by("ANA", NOW, via="passkey"), "cp-1", TWO)
        )
        done = await database.grants.change_grant(
            grant.grant_id, lambda g: g.approve(decision_by("ben", NOW), "cp-1", TWO)
        )
    assert again is Refusal.SAME_PERSON
    assert isinstance(done, DeviceGrant)
    assert [vote.author for vote in done.votes] == [ANA]


async def test_a_window_keeps_its_author(opened: Opened) -> None:
    window = Window("w1", "rack4", Conditions((parse_selector("site=fra"),)), ANA, NOW, NOW + 60, 3)
    async with opened() as database:
        await database.windows.arm(window)
    async with opened() as database:
        (found,) = await database.windows.windows()
    assert (found.author, found.by) == (ANA, "ana (token:laptop)")


@pytest.mark.parametrize(
    ("by", "stored", "author"),
    [
        ("ana", None, Author("ana", "")),
        ("ana", ["ana", "session"], Author("ana")),
        ("rule spare", ["", "rule"], Author("rule spare", VIA_RULE)),
        ("window rack4 by ana (passkey)", ["", "rule"], Author("window rack4 by ana (passkey)", VIA_RULE)),
        ("ci (token:ci)", ["", "token:ci"], Author("", "token:ci")),
        ("root (admin.sock)", ["root", "admin.sock"], Author("root", "admin.sock")),
    ],
)
def test_decisions_of_earlier_versions_are_read(by: str, stored: list[str] | None, author: Author) -> None:
    row: list[Any] = list(to_row(pending_grant(decision=decision_by("x", NOW))[0]))
    row[COLUMNS.index("decided_by")] = by
    row[COLUMNS.index("approval")] = json.dumps({"by": stored}) if stored else None
    found = from_row(row).decision
    assert found is not None
    assert (found.author, found.by) == (author, by)
