"""The contract of every store whose changes are audited: the change and its record, or neither."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import NoReturn

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Author, Label, Role
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import ApiToken, Operator, Session
from bootgrant.store.database import Database
from bootgrant.workflows.record.audit import verify
from support.grants import NOW

pytestmark = pytest.mark.anyio
FRA = (Label("site", "fra"),)
ANA = Operator("ana", "hash", NOW, Role.APPROVER, FRA)
SESSION = Session(b"s" * 32, "ana", NOW, NOW, NOW, "session", address="10.0.0.5")
TOKEN = ApiToken("ci", b"t" * 32, Role.VIEWER, FRA, NOW, "ana", NOW + 60)
WINDOW = Window("w1", "rack4", Conditions((parse_selector("site=fra"),)), Author("ana", "passkey"), NOW, NOW + 60, 3)


def event(done: str) -> AuditEvent:
    return AuditEvent(NOW, AuditKind.OPERATOR_CHANGED, "root", details={"done": done})


def saw(what: Operator | Session | ApiToken | Window) -> AuditEvent:
    """Make an event that says what it was given."""
    match what:
        case Operator(role=role, labels=labels, disabled_at=disabled_at):
            return event(f"{role.value} {' '.join(map(str, labels))} {disabled_at and round(disabled_at)}")
        case Session(address=address):
            return event(f"session from {address}")
        case ApiToken(role=role, name=name):
            return event(f"token {name} {role.value}")
        case Window(name=name, used=used, author=author):
            return event(f"window {name} {used} by {author}")


async def fill(database: Database) -> None:
    assert await database.operators.add_operator(ANA, event("added"))
    await database.operators.open_session(SESSION)
    assert await database.api_tokens.add_token(TOKEN, event("token added"))
    await database.windows.arm(WINDOW, event("armed"))
    assert await database.windows.take_place("w1", NOW)


async def done(database: Database) -> list[object]:
    assert (await verify(database.audit)).broken is None
    records = await database.audit.newest(AuditFilter(), 50)
    return [record.event.details["done"] for record in reversed(records)]


async def test_each_change_appends_its_event_with_what_was_there_before(database: Database) -> None:
    await fill(database)
    operators = database.operators
    assert await operators.set_rights("ana", Role.ADMIN, (), saw)
    assert await operators.end_session(SESSION.digest, saw)
    assert await operators.set_disabled("ana", NOW + 1, saw)
    assert await operators.set_disabled("ana", None, saw)
    assert await operators.set_password("ana", "another hash", saw)
    assert await database.api_tokens.remove_token("ci", saw)
    assert await database.windows.disarm("w1", saw)
    assert await done(database) == [
        "added",
        "token added",
        "armed",
        "approver site=fra None",
        "session from 10.0.0.5",
        "admin  None",
        f"admin  {round(NOW + 1)}",
        "admin  None",
        "token ci viewer",
        "window rack4 1 by ana (passkey)",
    ]


async def test_a_change_that_is_not_made_has_no_event(database: Database) -> None:
    await fill(database)
    assert not await database.operators.add_operator(ANA, event("added again"))
    assert not await database.api_tokens.add_token(replace(TOKEN), event("token added again"))
    assert not await database.operators.set_rights("eve", Role.ADMIN, (), saw)
    assert not await database.operators.set_disabled("eve", NOW, saw)
    assert not await database.operators.set_password("eve", "", saw)
    assert not await database.operators.end_session(b"x" * 32, saw)
    assert not await database.api_tokens.remove_token("eve", saw)
    assert not await database.windows.disarm("w9", saw)
    assert await done(database) == ["added", "token added", "armed"]


class Unwritable(Exception):
    """The event could not be made."""


def fail(_: object) -> NoReturn:
    raise Unwritable


@pytest.mark.parametrize(
    "change",
    [
        lambda database: database.operators.set_rights("ana", Role.ADMIN, (), fail),
        lambda database: database.operators.set_disabled("ana", NOW, fail),
        lambda database: database.operators.set_password("ana", "another", fail),
        lambda database: database.operators.end_session(SESSION.digest, fail),
        lambda database: database.api_tokens.remove_token("ci", fail),
        lambda database: database.windows.disarm("w1", fail),
    ],
)
async def test_a_change_without_its_event_is_not_made(
    database: Database, change: Callable[[Database], Awaitable[bool]]
) -> None:
    await fill(database)
    with pytest.raises(Unwritable):
        await change(database)
    ana = await database.operators.find_operator("ana")
    assert ana is not None
    assert (ana.role, ana.labels, ana.disabled_at, ana.password_hash) == (Role.APPROVER, FRA, None, "hash")
    assert await database.operators.find_session(SESSION.digest) is not None
    assert await database.api_tokens.find_token(TOKEN.digest) == TOKEN
    assert [window.window_id for window in await database.windows.windows()] == ["w1"]
    assert await done(database) == ["added", "token added", "armed"]
