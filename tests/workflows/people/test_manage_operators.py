"""Operators are added, changed, disabled and given new passwords."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import partial

import pytest

from bootgrant.approval.operators import VIA_SESSION, Actor, Kind, Label, Refused, Role, socket_actor, via_token
from bootgrant.ports.people import Operator, Passkey, Session
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.manage_operators import (
    ManageOperators,
    NewPassword,
    generated_password,
    password_problem,
)
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
FRA = (Label("site", "fra"),)
ROOT = socket_actor("root")
PASSWORD = Secret("correct horse battery")


class PlainHasher:
    """ports.people.PasswordHasher that does not hash."""

    async def hash(self, password: Secret) -> str:
        return f"hash of {password.reveal()}"

    async def verify(self, password_hash: str, password: Secret) -> bool:
        return password_hash == f"hash of {password.reveal()}"


@dataclass
class Office:
    """The workflow on a store in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))

    def __post_init__(self) -> None:
        base, entropy = self.database, CountedEntropy()
        windows = CloseWindows(base.windows, self.clock)
        lost = LostRights(windows, VoidApprovals(base.grants, VoteFilter(base.operators, base.api_tokens), self.clock))
        self.tokens = ApiTokens(base.api_tokens, base.operators, self.clock, entropy, lost)
        self.manage = ManageOperators(
            base.operators, base.passkeys, PlainHasher(), self.clock, entropy, lost, self.tokens, base.push_devices
        )

    async def find(self, name: str) -> Operator:
        found = await self.database.operators.find_operator(name)
        assert found is not None
        return found


@pytest.fixture
def office() -> Office:
    return Office()


def message(outcome: object) -> str:
    assert isinstance(outcome, Refused)
    return outcome.message


async def test_an_operator_is_added_with_a_chosen_or_a_generated_password(office: Office) -> None:
    chosen = await office.manage.add("ana", Role.ADMIN, FRA, Kind.LOCAL, PASSWORD, ROOT)
    assert chosen == NewPassword("ana", None)
    ana = await office.find("ana")
    assert (ana.role, ana.labels, ana.kind, ana.created_at) == (Role.ADMIN, FRA, Kind.LOCAL, NOW)
    assert ana.password_hash == "hash of correct horse battery"
    generated = await office.manage.add("safe", Role.ADMIN, (), Kind.BREAK_GLASS, None, ROOT)
    assert isinstance(generated, NewPassword)
    assert generated.generated is not None
    safe = await office.find("safe")
    assert (safe.kind, safe.password_hash) == (Kind.BREAK_GLASS, f"hash of {generated.generated.reveal()}")
    assert [operator.name for operator in await office.manage.operators.operators()] == ["ana", "safe"]


async def test_an_operator_that_cannot_be_added_is_refused_with_a_reason(office: Office) -> None:
    add = partial(office.manage.add, by=ROOT)
    await add("ana", Role.ADMIN, (), Kind.LOCAL, PASSWORD)
    assert message(await add("a b", Role.ADMIN, (), Kind.LOCAL, PASSWORD)).startswith("'a b' cannot be the name")
    assert "added automatically" in message(await add("corp", Role.ADMIN, (), Kind.OIDC, None))
    assert "always generated" in message(await add("safe", Role.ADMIN, (), Kind.BREAK_GLASS, PASSWORD))
    assert "12 to 1024 characters" in message(await add("ben", Role.ADMIN, (), Kind.LOCAL, Secret("short")))
    assert message(await add("ana", Role.VIEWER, (), Kind.LOCAL, PASSWORD)).startswith(
        "the operator 'ana' exists already"
    )
    assert (await office.find("ana")).role is Role.ADMIN


async def test_rights_are_changed_and_labels_are_kept_unless_given(office: Office) -> None:
    await office.manage.add("ana", Role.ADMIN, FRA, Kind.LOCAL, PASSWORD, ROOT)
    assert await office.manage.set_rights("ana", Role.VIEWER, None, ROOT) == 0
    ana = await office.find("ana")
    assert (ana.role, ana.labels) == (Role.VIEWER, FRA)
    assert await office.manage.set_rights("ana", Role.VIEWER, (), ROOT) == 0
    assert (await office.find("ana")).labels == ()


async def test_an_operator_is_disabled_and_enabled(office: Office) -> None:
    await office.manage.add("ana", Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    office.clock.advance(5)
    assert await office.manage.disable("ana", ROOT) == 0
    assert (await office.find("ana")).disabled_at == NOW + 5
    assert await office.manage.enable("ana", ROOT) is None
    assert (await office.find("ana")).disabled_at is None


async def test_a_new_password_ends_everything_that_an_attacker_may_have(office: Office) -> None:
    await office.manage.add("ana", Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    database, ana = office.database, await office.find("ana")
    await database.passkeys.add_passkey(Passkey(b"id", "ana", b"handle", b"key", 0, "phone", NOW))
    await database.operators.open_session(Session(b"digest", "ana", NOW, NOW, NOW, "session"))
    await office.tokens.create_own("laptop", Role.VIEWER, (), 3600, ana, VIA_SESSION)
    await office.tokens.create("ci", Role.VIEWER, (), 3600, socket_actor("root"))
    new = await office.manage.reset("ana", None, ROOT)
    assert isinstance(new, NewPassword)
    assert new.generated is not None
    assert (await office.find("ana")).password_hash == f"hash of {new.generated.reveal()}"
    assert await database.passkeys.passkeys_of("ana") == []
    assert await database.operators.sessions_of("ana") == []
    assert [token.name for token in await office.tokens.store.tokens()] == ["ci"]
    assert await office.manage.reset("ana", PASSWORD, ROOT) == NewPassword("ana", None)


async def test_a_password_that_is_not_accepted_changes_nothing(office: Office) -> None:
    await office.manage.add("ana", Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    await office.database.passkeys.add_passkey(Passkey(b"id", "ana", b"handle", b"key", 0, "phone", NOW))
    assert "12 to 1024" in message(await office.manage.reset("ana", Secret("short"), ROOT))
    assert len(await office.database.passkeys.passkeys_of("ana")) == 1


async def test_the_password_of_a_break_glass_operator_is_always_generated(office: Office) -> None:
    await office.manage.add("glass", Role.ADMIN, (), Kind.BREAK_GLASS, None, ROOT)
    assert "is always generated" in message(await office.manage.reset("glass", PASSWORD, ROOT))
    reset = await office.manage.reset("glass", None, ROOT)
    assert isinstance(reset, NewPassword)
    assert reset.generated is not None


async def test_operators_of_a_provider_get_their_rights_and_passwords_there(office: Office) -> None:
    await office.database.operators.add_operator(Operator("corp:ana", "", NOW, Role.VIEWER, kind=Kind.OIDC))
    assert "comes from the provider's groups" in message(
        await office.manage.set_rights("corp:ana", Role.ADMIN, None, ROOT)
    )
    assert "has no password here" in message(await office.manage.reset("corp:ana", None, ROOT))
    assert (await office.find("corp:ana")).role is Role.VIEWER


async def test_an_unknown_operator_is_refused(office: Office) -> None:
    outcomes = [
        await office.manage.set_rights("eve", Role.ADMIN, None, ROOT),
        await office.manage.disable("eve", ROOT),
        await office.manage.enable("eve", ROOT),
        await office.manage.reset("eve", None, ROOT),
    ]
    assert {message(outcome) for outcome in outcomes} == {
        "there is no operator 'eve': `bootgrant operators list` shows all of them"
    }


OWN_TOKEN = Actor("desk", Role.ADMIN, (), via_token("desk"), "ana")
NOBODYS_TOKEN = Actor("ci", Role.ADMIN, (), via_token("ci"))


@pytest.mark.parametrize("by", [Actor("ana", Role.ADMIN), OWN_TOKEN])
async def test_an_admin_cannot_take_away_their_own_rights(office: Office, by: Actor) -> None:
    for name in ("ana", "ben"):
        await office.manage.add(name, Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    for outcome in (
        await office.manage.disable("ana", by),
        await office.manage.set_rights("ana", Role.APPROVER, None, by),
        await office.manage.set_rights("ana", Role.ADMIN, FRA, by),
    ):
        assert "ask another admin, or run `bootgrant operators" in message(outcome)
    assert (await office.find("ana")).disabled_at is None
    assert await office.manage.set_rights("ana", Role.ADMIN, None, by) == 0
    assert await office.manage.disable("ben", by) == 0


async def test_the_last_admin_stays_except_on_the_server(office: Office) -> None:
    await office.manage.add("ana", Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    await office.manage.add("lea", Role.ADMIN, FRA, Kind.LOCAL, PASSWORD, ROOT)
    await office.manage.add("ben", Role.ADMIN, (), Kind.LOCAL, PASSWORD, ROOT)
    assert await office.manage.disable("ben", NOBODYS_TOKEN) == 0
    refused = message(await office.manage.disable("ana", NOBODYS_TOKEN))
    assert refused == (
        "ana is the only admin of every machine; make another one first, or "
        "run `bootgrant operators disable ana` on the server"
    )
    assert "only admin" in message(await office.manage.set_rights("ana", Role.ADMIN, FRA, NOBODYS_TOKEN))
    assert await office.manage.disable("lea", NOBODYS_TOKEN) == 0
    assert await office.manage.set_rights("ben", Role.VIEWER, None, NOBODYS_TOKEN) == 0
    assert await office.manage.set_rights("ana", Role.VIEWER, None, ROOT) == 0


@pytest.mark.parametrize(("length", "is_accepted"), [(11, False), (12, True), (1024, True), (1025, False)])
def test_a_password_has_a_length(length: int, is_accepted: bool) -> None:
    assert (password_problem(Secret("x" * length)) == "") is is_accepted


def test_a_generated_password_is_accepted_and_easy_to_type() -> None:
    passwords = {generated_password(CountedEntropy()).reveal()}
    entropy = CountedEntropy()
    passwords |= {generated_password(entropy).reveal() for _ in range(50)}
    assert len(passwords) == 50
    for password in passwords:
        assert re.fullmatch(r"[a-hj-kmnp-z2-9]{5}(-[a-hj-kmnp-z2-9]{5}){3}", password), password
        assert password_problem(Secret(password)) == ""
