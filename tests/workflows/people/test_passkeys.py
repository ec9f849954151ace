"""Passkeys: a challenge is answered once, in time, for its purpose, and by the session that it was made for."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from bootgrant.approval.operators import VIA_PASSKEY, Kind, Role
from bootgrant.ports.people import (
    NewCredential,
    Operator,
    Passkey,
    PasskeyAssertion,
    PasskeyFlaw,
    Purpose,
    Session,
    Stage,
)
from bootgrant.workflows.people.passkeys import MOST_PASSKEYS, PasskeyRefused, Passkeys
from bootgrant.workflows.people.sign_in import Client, NewSession, Sessions, SignedIn
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
DESK = Client("10.0.0.5")


class PlainCeremony:
    """ports.people.PasskeyCeremony whose answers are plain JSON, without cryptography."""

    def __init__(self) -> None:
        self.verified: list[bool] = []

    def creation_options(self, challenge: bytes, handle: bytes, name: str, known: Sequence[bytes]) -> str:
        return json.dumps({"challenge": challenge.hex(), "handle": handle.hex(), "known": [k.hex() for k in known]})

    def request_options(self, challenge: bytes, known: Sequence[bytes], *, verified: bool) -> str:
        self.verified.append(verified)
        return json.dumps({"challenge": challenge.hex(), "known": [k.hex() for k in known]})

    def challenge_of(self, answer: str) -> bytes | None:
        return bytes.fromhex(json.loads(answer)["challenge"]) if answer else None

    def verify_creation(self, answer: str, challenge: bytes) -> NewCredential | PasskeyFlaw:
        members = json.loads(answer)
        return PasskeyFlaw(members["flaw"]) if "flaw" in members else NewCredential(members["id"].encode(), b"key", 0)

    def read_assertion(self, answer: str) -> PasskeyAssertion | None:
        if not answer:
            return None
        members = json.loads(answer)
        handle = bytes.fromhex(members.get("handle", ""))
        return PasskeyAssertion(bytes.fromhex(members["challenge"]), members["id"].encode(), handle)

    def verify_assertion(self, answer: str, challenge: bytes, passkey: Passkey, *, verified: bool) -> int | PasskeyFlaw:
        self.verified.append(verified)
        members = json.loads(answer)
        return PasskeyFlaw(members["flaw"]) if "flaw" in members else passkey.sign_count + 1


@dataclass
class Desk:
    """The workflow on a store in memory, with the operators ana and ben."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    ceremony: PlainCeremony = field(default_factory=PlainCeremony)

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.database.operators, self.clock, CountedEntropy())
        self.work = Passkeys(self.database.passkeys, self.database.challenges, self.ceremony, self.sessions)
        self.count = 0

    async def who(self, name: str = "ana", kind: Kind = Kind.LOCAL) -> SignedIn:
        """Return another session of this operator."""
        await self.database.operators.add_operator(Operator(name, "hash", NOW, Role.APPROVER, kind=kind))
        operator = await self.database.operators.find_operator(name)
        assert operator is not None
        self.count += 1
        return SignedIn(Session(bytes([self.count]), name, NOW, NOW, NOW, "session"), operator)

    async def register(self, who: SignedIn, key: str = "phone", **changes: object) -> Passkey | PasskeyRefused:
        options = json.loads(await self.work.registration_options(who))
        answer = json.dumps({"challenge": options["challenge"], "id": key, **changes})
        return await self.work.register(who, answer, f" {key}\n ")

    async def answer(self, purpose: Purpose, who: SignedIn | None, key: str = "phone", **changes: object) -> str:
        """Return a right answer to a new challenge, with ``changes``."""
        options = json.loads(await self.work.options(purpose, who))
        return json.dumps({"challenge": options["challenge"], "id": key, **changes})

    async def handle(self) -> str:
        return (await self.database.passkeys.passkeys_of("ana"))[0].handle.hex()


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_passkey_is_registered_for_its_operator(desk: Desk) -> None:
    passkey = await desk.register(await desk.who())
    assert isinstance(passkey, Passkey)
    assert (passkey.operator, passkey.name, passkey.created_at) == ("ana", "phone", NOW)
    assert (passkey.credential_id, passkey.public_key, passkey.sign_count) == (b"phone", b"key", 0)
    assert len(passkey.handle) == 32
    assert list(await desk.database.passkeys.passkeys_of("ana")) == [passkey]
    assert await desk.database.passkeys.passkeys_of("ben") == []


async def test_all_passkeys_of_an_operator_have_one_handle_and_known_ones_are_excluded(desk: Desk) -> None:
    ana = await desk.who()
    first, second = await desk.register(ana), await desk.register(ana, "key")
    assert isinstance(first, Passkey)
    assert isinstance(second, Passkey)
    assert first.handle == second.handle
    options = json.loads(await desk.work.registration_options(ana))
    assert sorted(options["known"]) == sorted([b"phone".hex(), b"key".hex()])


@pytest.mark.parametrize("kind", [Kind.OIDC, Kind.BREAK_GLASS])
async def test_only_local_operators_register_passkeys(desk: Desk, kind: Kind) -> None:
    assert await desk.register(await desk.who("corp", kind)) is PasskeyRefused.NOT_HERE


async def test_a_registration_is_for_its_session_once_and_in_time(desk: Desk) -> None:
    ana = await desk.who()
    options = json.loads(await desk.work.registration_options(ana))
    answer = json.dumps({"challenge": options["challenge"], "id": "phone"})
    assert await desk.work.register(await desk.who(), answer, "") is PasskeyRefused.WRONG
    assert await desk.work.register(ana, answer, "") is PasskeyRefused.LATE
    options = json.loads(await desk.work.registration_options(ana))
    answer = json.dumps({"challenge": options["challenge"], "id": "phone"})
    desk.clock.advance(300)
    assert await desk.work.register(ana, answer, "") is PasskeyRefused.LATE
    assert await desk.work.register(ana, "", "") is PasskeyRefused.LATE


async def test_a_wrong_or_known_credential_is_refused(desk: Desk) -> None:
    ana = await desk.who()
    assert await desk.register(ana, flaw="wrong") is PasskeyRefused.WRONG
    assert isinstance(await desk.register(ana), Passkey)
    assert await desk.register(await desk.who("ben")) is PasskeyRefused.KNOWN


async def test_an_operator_has_at_most_twenty_passkeys(desk: Desk) -> None:
    ana = await desk.who()
    for number in range(MOST_PASSKEYS):
        assert isinstance(await desk.register(ana, f"key {number}"), Passkey)
    assert await desk.register(ana, "one more") is PasskeyRefused.FULL
    assert await desk.database.passkeys.remove_passkey("ana", b"key 0")
    assert not await desk.database.passkeys.remove_passkey("ana", b"key 0")
    assert isinstance(await desk.register(ana, "one more"), Passkey)


async def test_a_passkey_without_a_printable_name_is_named_passkey(desk: Desk) -> None:
    ana = await desk.who()
    options = json.loads(await desk.work.registration_options(ana))
    passkey = await desk.work.register(
        ana, json.dumps({"challenge": options["challenge"], "id": "a"}), "\u202e\n" + " " * 9
    )
    assert isinstance(passkey, Passkey)
    assert passkey.name == "Passkey"
    long = await desk.register(ana, "x" * 99)
    assert isinstance(long, Passkey)
    assert long.name == "x" * 64


async def test_a_passkey_signs_its_operator_in(desk: Desk) -> None:
    await desk.register(await desk.who())
    answer = await desk.answer(Purpose.SIGN_IN, None, handle=await desk.handle())
    signed_in = await desk.work.sign_in(Purpose.SIGN_IN, answer, DESK)
    assert isinstance(signed_in, NewSession)
    assert (signed_in.operator.name, signed_in.stage, signed_in.via) == ("ana", Stage.FULL, VIA_PASSKEY)
    who = await desk.sessions.who(signed_in.session)
    assert who is not None
    assert who.session.via == VIA_PASSKEY
    (passkey,) = await desk.database.passkeys.passkeys_of("ana")
    assert (passkey.sign_count, passkey.used_at) == (1, NOW)


@pytest.mark.parametrize(
    ("purpose", "verified"), [(Purpose.SIGN_IN, True), (Purpose.AGAIN, True), (Purpose.SECOND_FACTOR, False)]
)
async def test_the_authenticator_verifies_its_user_where_the_passkey_is_the_only_factor(
    desk: Desk, purpose: Purpose, verified: bool
) -> None:
    ana = await desk.who()
    await desk.register(ana)
    who = None if purpose is Purpose.SIGN_IN else ana
    answer = await desk.answer(purpose, who, handle=await desk.handle())
    assert isinstance(await desk.work.sign_in(purpose, answer, DESK, who), NewSession)
    assert desk.ceremony.verified == [verified, verified]


async def test_an_answer_is_used_once_in_time_and_for_its_purpose(desk: Desk) -> None:
    await desk.register(await desk.who())
    handle = await desk.handle()
    answer = await desk.answer(Purpose.SIGN_IN, None, handle=handle)
    assert await desk.work.sign_in(Purpose.AGAIN, answer, DESK) is PasskeyRefused.LATE
    assert isinstance(await desk.work.sign_in(Purpose.SIGN_IN, answer, DESK), NewSession)
    assert await desk.work.sign_in(Purpose.SIGN_IN, answer, DESK) is PasskeyRefused.LATE
    late = await desk.answer(Purpose.SIGN_IN, None, handle=handle)
    desk.clock.advance(300)
    assert await desk.work.sign_in(Purpose.SIGN_IN, late, DESK) is PasskeyRefused.LATE
    assert await desk.work.sign_in(Purpose.SIGN_IN, "", DESK) is PasskeyRefused.LATE


async def test_an_answer_is_for_the_session_that_it_was_made_for(desk: Desk) -> None:
    ana = await desk.who()
    await desk.register(ana)
    answer = await desk.answer(Purpose.AGAIN, ana)
    assert await desk.work.sign_in(Purpose.AGAIN, answer, DESK, await desk.who()) is PasskeyRefused.WRONG
    answer = await desk.answer(Purpose.AGAIN, ana)
    assert await desk.work.sign_in(Purpose.AGAIN, answer, DESK) is PasskeyRefused.WRONG


async def test_a_passkey_of_another_person_or_with_another_handle_is_refused(desk: Desk) -> None:
    ana, ben = await desk.who(), await desk.who("ben")
    await desk.register(ana)
    refused = [
        await desk.work.sign_in(Purpose.AGAIN, await desk.answer(Purpose.AGAIN, ben), DESK, ben),
        await desk.work.sign_in(Purpose.AGAIN, await desk.answer(Purpose.AGAIN, ana, handle="00"), DESK, ana),
        await desk.work.sign_in(Purpose.AGAIN, await desk.answer(Purpose.AGAIN, ana, "unknown"), DESK, ana),
        await desk.work.sign_in(Purpose.AGAIN, await desk.answer(Purpose.AGAIN, ana, flaw="wrong"), DESK, ana),
        await desk.work.sign_in(Purpose.SIGN_IN, await desk.answer(Purpose.SIGN_IN, None), DESK),
    ]
    assert refused == [PasskeyRefused.WRONG] * 5
    right = await desk.answer(Purpose.AGAIN, ana, handle=await desk.handle())
    assert isinstance(await desk.work.sign_in(Purpose.AGAIN, right, DESK, ana), NewSession)


async def test_a_disabled_operator_cannot_sign_in_with_a_passkey(desk: Desk) -> None:
    await desk.register(await desk.who())
    await desk.database.operators.set_disabled("ana", NOW)
    answer = await desk.answer(Purpose.SIGN_IN, None, handle=await desk.handle())
    assert await desk.work.sign_in(Purpose.SIGN_IN, answer, DESK) is PasskeyRefused.WRONG


@pytest.mark.parametrize(
    ("flaw", "refused"), [("cross-origin", PasskeyRefused.CROSS_ORIGIN), ("weak key", PasskeyRefused.WEAK_KEY)]
)
async def test_a_person_reads_why_a_passkey_is_refused(desk: Desk, flaw: str, refused: PasskeyRefused) -> None:
    ana = await desk.who()
    assert await desk.register(ana, flaw=flaw) is refused
    await desk.register(ana)
    answer = await desk.answer(Purpose.SIGN_IN, None, handle=await desk.handle(), flaw=flaw)
    assert await desk.work.sign_in(Purpose.SIGN_IN, answer, DESK) is refused
    assert refused.value.endswith("instead.")
