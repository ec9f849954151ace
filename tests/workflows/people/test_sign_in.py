"""Signing in with a password: sessions, when they end, and the limits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bootgrant.approval.devices import DeviceProofs
from bootgrant.approval.operators import Actor, Kind, Refused, Role
from bootgrant.ports.people import Operator, Passkey, Stage
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.known_places import KnownPlaces
from bootgrant.workflows.people.sign_in import (
    Client,
    NewSession,
    NotSignedIn,
    OwnPassword,
    Sessions,
    SignIn,
    SignInRefused,
)
from bootgrant.workflows.people.sign_in_rules import SecondFactor
from support.fakes import CountedEntropy, CountingHasher, FakeClock
from support.grants import NOW

pytestmark = pytest.mark.anyio


class Desk:
    """A sign-in with one operator, ana, whose password is pw."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.operators = database.operators
        self.clock = FakeClock()
        self.hasher = CountingHasher()
        self.sessions = Sessions(self.operators, self.clock, CountedEntropy())
        self.passkeys = database.passkeys
        known = KnownPlaces(DeviceProofs(b"k" * 32), self.operators, database.audit, self.clock, CountedEntropy())
        self.work = SignIn(self.operators, self.passkeys, self.sessions, self.hasher, CountedEntropy(), known)

    async def hire(self, password: str = "pw", kind: Kind = Kind.LOCAL) -> None:
        ana = Operator("ana", f"hash of {password}", self.clock.now(), Role.APPROVER, kind=kind)
        await self.operators.add_operator(ana)

    async def enter(self, name: str = "ana", password: str = "pw", address: str = "10.0.0.5") -> Secret:
        return (await self.begin(name, password, address)).session

    async def begin(self, name: str = "ana", password: str = "pw", address: str = "10.0.0.5") -> NewSession:
        begun = await self.work.sign_in(name, Secret(password), Client(address, "a browser"))
        assert isinstance(begun, NewSession)
        return begun

    async def who(self, session: Secret) -> str | None:
        found = await self.sessions.who(session)
        return found.actor.name if found else None

    async def fail(self, name: str = "ana", password: str = "no", address: str = "10.0.0.5") -> NotSignedIn:
        refused = await self.work.sign_in(name, Secret(password), Client(address))
        assert isinstance(refused, SignInRefused)
        return refused.why


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with SqliteDatabase(tmp_path, NOW) as database:
        yield Desk(database)


async def test_a_session_belongs_to_the_person_who_signed_in(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter(" ana ")
    assert await desk.who(session) == "ana"
    assert await desk.who(Secret("x" * 43)) is None


async def test_two_sign_ins_are_two_sessions(desk: Desk) -> None:
    await desk.hire()
    one, other = (await desk.enter()).reveal(), (await desk.enter()).reveal()
    assert one != other
    assert len(one) == len(other) == 43


async def test_the_store_does_not_have_the_session_itself(desk: Desk, tmp_path: Path) -> None:
    await desk.hire()
    session = await desk.enter()
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert session.reveal().encode() not in stored


async def test_an_unknown_name_takes_as_long_as_a_wrong_password(desk: Desk) -> None:
    await desk.hire()
    assert await desk.fail("eve") is NotSignedIn.WRONG
    assert await desk.fail("ana") is NotSignedIn.WRONG
    assert desk.hasher.verified == 2


async def test_a_session_ends_twelve_hours_after_its_last_use(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    desk.clock.advance(11 * 3600)
    assert await desk.who(session) == "ana"
    desk.clock.advance(11 * 3600)
    assert await desk.who(session) == "ana"
    desk.clock.advance(12 * 3600)
    assert await desk.who(session) is None


async def test_a_session_ends_after_seven_days_however_it_is_used(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    for _ in range(27):
        desk.clock.advance(6 * 3600)
        assert await desk.who(session) == "ana"
    desk.clock.advance(6 * 3600)
    assert await desk.who(session) is None


async def test_signing_out_ends_this_session_and_no_other(desk: Desk) -> None:
    await desk.hire()
    first, second = await desk.enter(), await desk.enter()
    await desk.sessions.end(first)
    assert await desk.who(first) is None
    assert await desk.who(second) == "ana"


async def test_a_new_password_ends_the_sessions_of_the_old_one(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    await desk.operators.set_password("ana", "hash of new")
    assert await desk.who(session) is None
    assert await desk.fail(password="pw") is NotSignedIn.WRONG
    assert await desk.who(await desk.enter(password="new")) == "ana"


async def test_a_right_password_gives_no_attempts_back(desk: Desk) -> None:
    await desk.hire()
    for _ in range(9):
        await desk.fail()
    await desk.enter()
    assert await desk.fail() is NotSignedIn.TOO_MANY
    desk.clock.advance(30)
    assert await desk.fail() is NotSignedIn.WRONG


async def test_spellings_of_a_name_are_counted_together_over_all_addresses(desk: Desk) -> None:
    await desk.hire()
    reasons = [await desk.fail(name, address=f"10.0.0.{i}") for i, name in enumerate(["ana", "ANA"] * 10 + ["Ana"])]
    assert reasons == [NotSignedIn.WRONG] * 20 + [NotSignedIn.TOO_MANY]


async def test_a_stranger_at_one_address_cannot_lock_a_person_out(desk: Desk) -> None:
    await desk.hire()
    for _ in range(600):
        await desk.fail(address="192.0.2.1")
        desk.clock.advance(1)
    assert await desk.who(await desk.enter(address="10.0.0.5")) == "ana"


async def test_too_many_attempts_at_once_are_asked_to_come_back(desk: Desk) -> None:
    await desk.hire()
    desk.hasher.open.clear()
    running = [asyncio.ensure_future(desk.fail("eve", address=f"10.1.0.{i}")) for i in range(16)]
    while desk.hasher.verified < 16:
        await asyncio.sleep(0)
    assert await desk.fail(address="10.1.1.1") is NotSignedIn.BUSY
    desk.hasher.open.set()
    assert set(await asyncio.gather(*running)) == {NotSignedIn.WRONG}
    assert await desk.who(await desk.enter()) == "ana"


def require_two(desk: Desk) -> None:
    desk.work = replace(desk.work, second_factor=SecondFactor.REQUIRED)


async def test_a_session_has_the_role_and_the_way_of_its_person(desk: Desk) -> None:
    await desk.hire()
    signed_in = await desk.sessions.who(await desk.enter())
    assert signed_in is not None
    assert signed_in.actor == Actor("ana", Role.APPROVER, (), "session")
    assert (signed_in.session.address, signed_in.session.browser) == ("10.0.0.5", "a browser")


async def test_a_disabled_operator_gets_the_same_answer_as_a_stranger(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    await desk.operators.set_disabled("ana", desk.clock.now())
    assert await desk.who(session) is None
    assert await desk.fail(password="pw") is NotSignedIn.WRONG
    await desk.operators.set_disabled("ana", None)
    assert await desk.who(session) is None
    assert await desk.who(await desk.enter()) == "ana"


async def test_a_new_role_counts_from_the_next_request_on(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    await desk.operators.set_rights("ana", Role.VIEWER, ())
    signed_in = await desk.sessions.who(session)
    assert signed_in is not None
    assert signed_in.actor.role is Role.VIEWER


async def test_an_operator_without_a_password_cannot_sign_in_with_one(desk: Desk) -> None:
    await desk.operators.add_operator(Operator("corp:ana", "", NOW, Role.ADMIN, kind=Kind.OIDC))
    assert await desk.fail("corp:ana", "") is NotSignedIn.WRONG
    assert desk.hasher.verified == 1


async def test_a_password_is_half_of_a_sign_in_where_two_factors_are_required(desk: Desk) -> None:
    await desk.hire()
    require_two(desk)
    assert (await desk.begin()).stage is Stage.ENROLMENT
    await desk.passkeys.add_passkey(Passkey(b"id", "ana", b"handle", b"key", 0, "phone", NOW))
    assert (await desk.begin()).stage is Stage.SECOND_FACTOR


async def test_an_incomplete_sign_in_ends_after_ten_minutes(desk: Desk) -> None:
    await desk.hire()
    require_two(desk)
    session = await desk.enter()
    desk.clock.advance(599)
    assert await desk.who(session) == "ana"
    desk.clock.advance(1)
    assert await desk.who(session) is None


async def test_a_break_glass_password_needs_no_second_factor(desk: Desk) -> None:
    await desk.hire(kind=Kind.BREAK_GLASS)
    require_two(desk)
    signed_in = await desk.sessions.who(await desk.enter())
    assert signed_in is not None
    assert signed_in.session.stage is Stage.FULL
    assert str(signed_in.actor) == "ana (break-glass)"


async def test_a_sign_in_is_fresh_for_fifteen_minutes_however_it_is_used(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    desk.clock.advance(899)
    signed_in = await desk.sessions.who(session)
    assert signed_in is not None
    assert desk.sessions.is_fresh(signed_in.session)
    desk.clock.advance(1)
    assert not desk.sessions.is_fresh(signed_in.session)


async def test_a_person_sees_and_ends_only_their_own_sessions(desk: Desk) -> None:
    await desk.hire()
    first = await desk.enter()
    desk.clock.advance(1)
    second = await desk.enter()
    newest, oldest = await desk.sessions.of("ana")
    assert newest.created_at > oldest.created_at
    assert not await desk.sessions.end_one_of("ben", oldest.digest)
    assert await desk.sessions.end_one_of("ana", oldest.digest)
    assert await desk.who(first) is None
    assert await desk.who(second) == "ana"


async def test_the_list_of_sessions_has_only_those_that_can_be_used(desk: Desk) -> None:
    await desk.hire()
    await desk.enter()
    desk.clock.advance(12 * 3600)
    assert await desk.sessions.of("ana") == []


async def test_a_use_is_stored_at_most_once_a_minute_and_only_when_the_person_is_present(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()

    async def seen_after(seconds: float, *, present: bool = True) -> float:
        desk.clock.advance(seconds)
        await desk.sessions.who(session, present=present)
        (stored,) = await desk.sessions.of("ana")
        return stored.seen_at - stored.created_at

    assert await seen_after(59) == 0
    assert await seen_after(1) == 60
    assert await seen_after(600, present=False) == 60


async def test_a_long_address_and_browser_are_cut(desk: Desk) -> None:
    await desk.hire()
    outcome = await desk.work.sign_in("ana", Secret("pw"), Client("a" * 300, "b" * 300))
    assert isinstance(outcome, NewSession)
    (stored,) = await desk.sessions.of("ana")
    assert (stored.address, stored.browser) == ("a" * 200, "b" * 200)


async def test_the_wait_before_the_next_attempt_is_given(desk: Desk) -> None:
    await desk.hire()
    for _ in range(10):
        await desk.fail()
    refused = await desk.work.sign_in("ana", Secret("pw"), Client("10.0.0.5"))
    assert refused == SignInRefused(NotSignedIn.TOO_MANY, 30.0)
    assert await desk.fail(address="10.0.0.6") is NotSignedIn.WRONG


async def test_a_refusal_names_the_operator_only_when_there_is_one(desk: Desk) -> None:
    await desk.hire()
    client = Client("10.0.0.5")
    assert await desk.work.sign_in(" ana", Secret("no"), client) == SignInRefused(NotSignedIn.WRONG, name="ana")
    assert await desk.work.sign_in("eve", Secret("no"), client) == SignInRefused(NotSignedIn.WRONG)


NEW = Secret("a new long password")


async def test_a_person_changes_their_password_and_keeps_only_the_new_session(desk: Desk) -> None:
    await desk.hire()
    session = await desk.enter()
    who = await desk.sessions.who(session)
    assert who is not None
    desk.clock.advance(300)
    changed = await OwnPassword(desk.work).change(who, Secret("pw"), NEW, Client("10.0.0.9"))
    assert isinstance(changed, NewSession)
    assert (changed.stage, changed.via) == (Stage.FULL, "session")
    assert await desk.who(session) is None
    now = await desk.sessions.who(changed.session)
    assert now is not None
    assert now.session.authenticated_at == who.session.authenticated_at
    assert await desk.who(await desk.enter(password=NEW.reveal())) == "ana"


async def test_a_password_is_not_changed_without_the_old_one_or_to_a_short_one(desk: Desk) -> None:
    await desk.hire()
    who = await desk.sessions.who(await desk.enter())
    assert who is not None
    own, client = OwnPassword(desk.work), Client("10.0.0.5")
    assert isinstance(await own.change(who, Secret("pw"), Secret("short"), client), Refused)
    wrong = await own.change(who, Secret("no"), NEW, client)
    assert isinstance(wrong, SignInRefused)
    assert wrong.why is NotSignedIn.WRONG
    assert await desk.who(await desk.enter()) == "ana"


@pytest.mark.parametrize("kind", [Kind.OIDC, Kind.BREAK_GLASS])
async def test_only_local_operators_change_their_password(desk: Desk, kind: Kind) -> None:
    await desk.hire(kind=kind)
    who = await desk.sessions.who(await desk.enter())
    assert who is not None
    refused = await OwnPassword(desk.work).change(who, Secret("pw"), NEW, Client("10.0.0.5"))
    assert isinstance(refused, Refused)
    assert "ask an admin" in refused.message
