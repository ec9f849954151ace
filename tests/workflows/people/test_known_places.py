"""Strangers cannot keep the right password out: known browsers and addresses have attempts of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.devices import LIFETIME, DeviceProofs
from bootgrant.approval.operators import Kind, Role
from bootgrant.ports.people import Operator
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.known_places import KNOWN_FOR, KnownPlaces
from bootgrant.workflows.people.sign_in import Client, NotSignedIn, Sessions, SignIn, SignInRefused
from support.fakes import CountedEntropy, CountingHasher, FakeClock
from support.grants import NOW

pytestmark = pytest.mark.anyio
WRONG, TOO_MANY, BUSY = NotSignedIn.WRONG, NotSignedIn.TOO_MANY, NotSignedIn.BUSY
ELSEWHERE = "203.0.113.9"
OFFICE = "10.0.0.5"


class Door:
    """A sign-in with the operator ana, whose password is pw, and strangers who guess."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database, self.clock, self.hasher = database, FakeClock(), CountingHasher()
        self.entropy = CountedEntropy()
        self.work = self.another_server()

    def another_server(self) -> SignIn:
        """Return the workflow of another server of the same site."""
        operators, audit = self.database.operators, self.database.audit
        known = KnownPlaces(DeviceProofs(b"k" * 32), operators, audit, self.clock, self.entropy)
        sessions = Sessions(operators, self.clock, CountedEntropy())
        return SignIn(operators, self.database.passkeys, sessions, self.hasher, CountedEntropy(), known)

    async def hire(self, name: str = "ana", kind: Kind = Kind.LOCAL) -> None:
        await self.database.operators.add_operator(Operator(name, "hash of pw", NOW, Role.APPROVER, kind=kind))

    async def device(self, name: str = "ana") -> Secret:
        """Return the proof of a browser with which the operator has just signed in."""
        operator = await self.database.operators.find_operator(name)
        assert operator is not None
        return self.work.known.proof_for(operator)

    async def signed_in_at(self, address: str, name: str = "ana") -> None:
        """Record an earlier sign-in."""
        event = AuditEvent(self.clock.now(), AuditKind.SIGNED_IN, name, "session", address=address)
        await self.database.audit.append([event])

    async def enter(self, password: str, client: Client, name: str = "ana") -> NotSignedIn | None:
        """Return why this client is not signed in, or None if it is."""
        outcome = await self.work.sign_in(name, Secret(password), client)
        return outcome.why if isinstance(outcome, SignInRefused) else None

    async def guesses(self, client: Client, name: str = "ana") -> int:
        """Guess until refused, and return how many guesses were checked."""
        checked = 0
        while await self.enter("no", client, name) is WRONG:
            checked += 1
        return checked

    async def strangers_guess(self, name: str = "ana") -> int:
        """Guess from many addresses until the strangers' attempts are used up, and return how many were checked."""
        return sum([await self.guesses(Client(f"192.0.2.{number}"), name) for number in range(10)])


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    with SqliteDatabase(tmp_path, NOW) as database:
        door = Door(database)
        await door.hire()
        yield door


async def test_a_known_browser_signs_in_anywhere_while_strangers_guess(door: Door) -> None:
    device = await door.device()
    assert await door.strangers_guess() == 20
    assert await door.enter("pw", Client(ELSEWHERE)) is TOO_MANY
    assert await door.enter("pw", Client(ELSEWHERE, device=device), " ana ") is None


async def test_a_known_browser_signs_in_at_an_address_whose_attempts_a_stranger_used_up(door: Door) -> None:
    device = await door.device()
    await door.guesses(Client(OFFICE), "eve")
    assert await door.enter("pw", Client(OFFICE)) is TOO_MANY
    assert await door.enter("pw", Client(OFFICE, device=device)) is None


async def test_a_person_signs_in_where_they_did_before_while_strangers_guess(door: Door) -> None:
    await door.signed_in_at(OFFICE)
    await door.strangers_guess()
    assert await door.enter("pw", Client(OFFICE)) is None
    assert await door.enter("pw", Client(ELSEWHERE)) is TOO_MANY


async def test_the_neighbours_in_an_ipv6_network_are_one_known_address(door: Door) -> None:
    await door.signed_in_at("2001:db8:1:2::5")
    await door.strangers_guess()
    assert await door.enter("pw", Client("2001:db8:1:2:a:b:c:d")) is None
    assert await door.enter("pw", Client("2001:db8:1:3::5")) is TOO_MANY


async def test_a_stolen_browser_cookie_signs_nobody_in_and_gives_only_few_guesses(door: Door) -> None:
    stolen = Client(ELSEWHERE, device=await door.device())
    await door.strangers_guess()
    assert await door.guesses(stolen) == 10
    door.clock.advance(3600)
    await door.strangers_guess()
    # One guess in two minutes, and those of its address that strangers left over.
    assert 10 <= await door.guesses(stolen) <= 20
    assert await door.enter("pw", Client(OFFICE, device=await door.device())) is None


async def test_a_known_browser_without_attempts_is_treated_as_a_stranger(door: Door) -> None:
    device = await door.device()
    client = Client(OFFICE, device=device)
    assert await door.guesses(client) == 20
    door.clock.advance(30)
    assert await door.enter("pw", client) is None


async def test_the_attempts_of_strangers_still_protect_the_password(door: Door) -> None:
    await door.signed_in_at(OFFICE)
    await door.device()
    assert await door.strangers_guess() == 20
    door.clock.advance(150)
    assert await door.strangers_guess() == 10


async def test_a_known_address_has_few_attempts_of_its_own(door: Door) -> None:
    await door.signed_in_at(OFFICE)
    await door.strangers_guess()
    assert await door.guesses(Client(OFFICE)) == 10
    assert await door.enter("pw", Client(OFFICE, device=await door.device())) is None


async def test_a_proof_serves_only_its_operator_its_password_and_its_time(door: Door) -> None:
    await door.hire("ben")
    of_ana, of_ben = await door.device(), await door.device("ben")
    await door.strangers_guess()
    assert await door.enter("pw", Client(ELSEWHERE, device=of_ben)) is TOO_MANY
    forged = Secret(of_ana.reveal()[:-4] + ("AAAA" if of_ana.reveal()[-4:] != "AAAA" else "BBBB"))
    for proof in (forged, Secret(""), Secret("é" * len(of_ana.reveal())), Secret("!" * len(of_ana.reveal()))):
        assert await door.enter("pw", Client(ELSEWHERE, device=proof)) is TOO_MANY
    await door.database.operators.set_password("ana", "hash of new")
    assert await door.enter("new", Client(ELSEWHERE, device=of_ana)) is TOO_MANY
    fresh = await door.device()
    door.clock.advance(LIFETIME - 5)
    await door.strangers_guess()
    assert await door.enter("new", Client(ELSEWHERE, device=fresh)) is None
    door.clock.advance(6)
    await door.strangers_guess()
    assert await door.enter("new", Client(ELSEWHERE, device=fresh)) is TOO_MANY


async def test_every_server_of_a_site_and_a_restarted_one_know_the_browser(door: Door) -> None:
    device = await door.device()
    door.work = door.another_server()
    await door.strangers_guess()
    assert await door.enter("pw", Client(ELSEWHERE, device=device)) is None


async def test_every_sign_in_makes_another_proof(door: Door) -> None:
    assert (await door.device()).reveal() != (await door.device()).reveal()


async def test_an_address_is_forgotten_after_ninety_days(door: Door) -> None:
    await door.signed_in_at(OFFICE)
    door.clock.advance(KNOWN_FOR + 1)
    await door.strangers_guess()
    assert await door.enter("pw", Client(OFFICE)) is TOO_MANY


async def test_a_name_that_no_operator_has_is_known_nowhere(door: Door) -> None:
    await door.signed_in_at(OFFICE)
    await door.strangers_guess("eve")
    assert await door.enter("pw", Client(OFFICE), "eve") is TOO_MANY


async def test_strangers_who_keep_the_server_busy_do_not_keep_out_known_places(door: Door) -> None:
    device = await door.device()
    await door.signed_in_at(OFFICE)
    door.hasher.open.clear()
    guesses = [asyncio.ensure_future(door.enter("no", Client(f"10.1.0.{n}"), f"eve{n}")) for n in range(16)]
    while door.hasher.verified < 16:
        await asyncio.sleep(0)
    assert await door.enter("pw", Client(ELSEWHERE)) is BUSY
    known = [
        asyncio.ensure_future(door.enter("pw", client)) for client in (Client(OFFICE), Client(ELSEWHERE, device=device))
    ]
    while door.hasher.verified < 18:
        await asyncio.sleep(0)
    door.hasher.open.set()
    assert await asyncio.gather(*known) == [None, None]
    assert set(await asyncio.gather(*guesses)) == {WRONG}


async def test_the_work_for_known_places_is_limited_too(door: Door) -> None:
    door.hasher.open.clear()
    clients = [Client(ELSEWHERE, device=await door.device()) for _ in range(9)]
    running = [asyncio.ensure_future(door.enter("no", client)) for client in clients[:8]]
    while door.hasher.verified < 8:
        await asyncio.sleep(0)
    assert await door.enter("no", clients[8]) is BUSY
    door.hasher.open.set()
    assert set(await asyncio.gather(*running)) == {WRONG}
