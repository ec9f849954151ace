"""The contract of every store about epochs: what it has of what was seen, and what an acceptance ends."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.approval.epoch import Acceptance, Seen, Taken, lost_from
from bootgrant.approval.operators import Author, Role
from bootgrant.approval.policy import Conditions, Window, parse_selector
from bootgrant.ports.logins import PendingLogin
from bootgrant.ports.people import ApiToken, Challenge, Operator, Purpose, Session
from bootgrant.store.database import Database
from bootgrant.wire.identity import MachineIdentity
from support.grants import NOW

pytestmark = pytest.mark.anyio
ODD = MachineIdentity(serial='quote " backslash \\ and \u00e9')


def event(kind: AuditKind, **details: str) -> AuditEvent:
    return AuditEvent(NOW, kind, "ana", details=details)


RESTORED = event(AuditKind.RESTORED)
LOGIN = PendingLogin(b"s" * 32, b"c" * 32, "laptop", "ana", "10.0.0.9", NOW, NOW + 600, Role.VIEWER, (), 43200.0)


async def seen_by_now(database: Database) -> Seen:
    head = await database.epochs.newest()
    return Seen().after(head, await database.epochs.taken_since(0), NOW)


async def test_an_empty_database_has_no_end_and_one_epoch(database: Database) -> None:
    recorded = await database.epochs.recorded(Seen())
    assert (await database.epochs.newest(), recorded.head, recorded.oldest, recorded.epoch) == (Head(), Head(), 0, 1)


async def test_the_records_that_take_away_are_found_after_a_number(database: Database) -> None:
    events = [
        event(AuditKind.OPENED),
        AuditEvent(NOW, AuditKind.DENIED, "ana", identity=ODD, reason='no \\ " no'),
        event(AuditKind.SIGNED_IN),
        event(AuditKind.TOKEN_CHANGED, token="ci", done="revoked"),
    ]
    end = await database.audit.append(events)
    denied, revoked = await database.epochs.taken_since(0)
    assert (denied.head.seq, denied.identity, denied.reason) == (2, ODD, 'no \\ " no')
    assert revoked == Taken(end, NOW, AuditKind.TOKEN_CHANGED, "ana", details={"token": "ci", "done": "revoked"})
    assert await database.epochs.taken_since(2) == [revoked]
    assert await database.epochs.newest() == end


async def test_the_database_has_what_was_seen_of_it(database: Database) -> None:
    await database.audit.append([event(AuditKind.DENIED), event(AuditKind.OPENED)])
    seen = await seen_by_now(database)
    await database.audit.append([event(AuditKind.OPENED)])
    recorded = await database.epochs.recorded(seen)
    assert lost_from(recorded, seen) is None
    assert recorded.oldest == 1
    later = Seen(head=Head(9, "a" * 64))
    lost = lost_from(await database.epochs.recorded(later), later)
    assert lost is not None
    assert lost.records == 6


async def test_the_records_before_a_seal_are_not_missing(database: Database) -> None:
    await database.audit.append([event(AuditKind.DENIED), event(AuditKind.OPENED)])
    seen = await seen_by_now(database)
    await database.audit.drop_sealed(2, event(AuditKind.SEALED))
    assert lost_from(await database.epochs.recorded(seen), seen) is None


async def test_a_server_reports_once_what_it_has_seen(database: Database) -> None:
    await database.audit.append([event(AuditKind.DENIED)])
    seen = await seen_by_now(database)
    await database.epochs.report("b:/data", Seen(), NOW)
    await database.epochs.report("a:/data", Seen(epoch=2), NOW)
    await database.epochs.report("b:/data", seen, NOW + 1)
    assert await database.epochs.reports() == [Seen(epoch=2), seen]


async def test_an_acceptance_ends_sessions_tokens_logins_and_windows(database: Database) -> None:
    await database.operators.add_operator(Operator("ana", "hash", NOW, Role.ADMIN))
    await database.operators.open_session(Session(b"s" * 32, "ana", NOW, NOW, NOW, "session"))
    await database.api_tokens.add_token(ApiToken("ci", b"t" * 32, Role.ADMIN, (), NOW, "ana", NOW + 60))
    await database.logins.add_login(LOGIN, NOW, 10)
    await database.challenges.put_challenge(Challenge(b"c" * 32, Purpose.SIGN_IN, "", NOW + 60), NOW)
    conditions = Conditions((parse_selector("site=fra"),))
    await database.windows.arm(Window("w1", "rack4", conditions, Author("ana", "passkey"), NOW, NOW + 60, 3))
    await database.epochs.report("a", Seen(), NOW)
    both = [Acceptance(3, 1, 7, NOW), Acceptance(3, 2, 9, NOW)]
    assert await database.epochs.accept(both, RESTORED)
    assert await database.operators.find_session(b"s" * 32) is None
    assert not await database.api_tokens.tokens()
    assert await database.logins.find_login(LOGIN.code_digest, NOW) is None
    assert not await database.windows.windows()
    assert not await database.epochs.reports()
    recorded = await database.epochs.recorded(Seen())
    assert (recorded.epoch, sorted(recorded.acceptances, key=lambda each: each.covered_epoch)) == (3, both)
    assert recorded.head.seq == 1


async def test_of_two_servers_that_accept_one_is_first(database: Database) -> None:
    assert await database.epochs.accept([Acceptance(2, 1, 7, NOW)], RESTORED)
    await database.api_tokens.add_token(ApiToken("new", b"n" * 32, Role.ADMIN, (), NOW, "ana", NOW + 60))
    again = await database.epochs.accept([Acceptance(2, 1, 8, NOW)], RESTORED)
    assert not again
    assert (await database.epochs.newest()).seq == 1


async def test_what_follows_a_commit_that_takes_away_is_called_before_the_answer(database: Database) -> None:
    heads: list[int] = []

    async def look() -> None:
        heads.append((await database.epochs.newest()).seq)

    database.call_after_taking_away(look)
    await database.audit.append([event(AuditKind.OPENED)])
    assert heads == []
    await database.api_tokens.add_token(
        ApiToken("ci", b"t" * 32, Role.ADMIN, (), NOW, "ana", NOW + 60), event(AuditKind.TOKEN_CHANGED)
    )
    assert heads == [2]
    await database.api_tokens.remove_token("ci", lambda _: event(AuditKind.TOKEN_CHANGED))
    await database.operators.add_operator(Operator("ana", "hash", NOW, Role.ADMIN))
    assert heads == [2, 3]
