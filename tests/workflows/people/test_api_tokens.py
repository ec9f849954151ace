"""API tokens: shown once, authenticated, expired, revoked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.approval.operators import VIA_SESSION, Actor, Kind, Label, Refused, Right, Role
from bootgrant.ports.people import Operator
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
ANA = Actor("ana", Role.ADMIN)
FRA = Label("site", "fra")
DAY = 86400.0


def tokens_of(database: Database, clock: FakeClock) -> ApiTokens:
    windows = CloseWindows(database.windows, clock)
    lost = LostRights(
        windows, VoidApprovals(database.grants, VoteFilter(database.operators, database.api_tokens), clock)
    )
    return ApiTokens(database.api_tokens, database.operators, clock, CountedEntropy(), lost)


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


async def test_a_token_is_authenticated_with_its_role_and_its_labels(tokens: ApiTokens) -> None:
    secret = await make(tokens)
    assert secret.reveal().startswith("bootgrant_")
    assert await tokens.authenticate(secret) == Actor("ci", Role.APPROVER, (FRA,), "token:ci", "")


async def test_a_new_token_is_returned_as_it_is_stored(tokens: ApiTokens) -> None:
    made = await tokens.create("ci", Role.APPROVER, (FRA,), DAY, ANA)
    assert isinstance(made, NewToken)
    assert [made.token] == list(await tokens.store.tokens())


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
    assert await tokens.revoke("ci", ANA)
    assert await tokens.authenticate(secret) is None
    assert not await tokens.revoke("ci", ANA)


@pytest.mark.parametrize("shown", ["", "bootgrant_", "bootgrant_" + "x" * 43, "x" * 53, "bootgrant_" + "ü" * 43])
async def test_a_text_that_is_not_a_token_is_nobody(tokens: ApiTokens, shown: str) -> None:
    await make(tokens)
    assert await tokens.authenticate(Secret(shown)) is None


async def test_the_list_has_who_created_a_token_and_when_it_was_used(tokens: ApiTokens, clock: FakeClock) -> None:
    secret = await make(tokens)
    clock.advance(100)
    await tokens.authenticate(secret)
    clock.advance(30)
    await tokens.authenticate(secret)
    (listed,) = await tokens.store.tokens()
    assert (listed.created_by, listed.created_at, listed.used_at) == ("ana", NOW, NOW + 100)


async def test_a_name_is_used_for_one_token(tokens: ApiTokens) -> None:
    await make(tokens)
    refused = await tokens.create("ci", Role.ADMIN, (), DAY, ANA)
    assert isinstance(refused, Refused)
    assert "revoke it first" in refused.message
    (listed,) = await tokens.store.tokens()
    assert listed.role is Role.APPROVER


@pytest.mark.parametrize(
    ("name", "lifetime"), [("", DAY), ("a b", DAY), ("x" * 65, DAY), ("ci", 0), ("ci", 366 * DAY + 1)]
)
async def test_a_token_needs_a_valid_name_and_lifetime(tokens: ApiTokens, name: str, lifetime: float) -> None:
    assert isinstance(await tokens.create(name, Role.VIEWER, (), lifetime, ANA), Refused)
    assert await tokens.store.tokens() == []


AMS = Label("site", "ams")
RACK = Label("rack", "4")


class OfBen:
    """Tokens that ben creates for himself; he is an approver for site=fra and site=ams."""

    def __init__(self) -> None:
        self.database = MemoryDatabase()
        self.tokens = tokens_of(self.database, FakeClock(NOW))
        self.ben = Operator("ben", "hash", NOW, Role.APPROVER, (AMS, FRA))

    async def make(self, role: Role = Role.APPROVER, labels: tuple[Label, ...] = ()) -> NewToken | Refused:
        await self.database.operators.add_operator(self.ben)
        return await self.tokens.create_own("laptop", role, labels, DAY, self.ben, VIA_SESSION)

    async def secret(self, labels: tuple[Label, ...] = ()) -> Secret:
        made = await self.make(labels=labels)
        assert isinstance(made, NewToken)
        return made.secret


async def test_a_persons_own_token_acts_for_them_within_their_limits() -> None:
    of_ben = OfBen()
    actor = await of_ben.tokens.authenticate(await of_ben.secret((FRA, RACK)))
    assert actor == Actor("laptop", Role.APPROVER, (RACK, FRA), "token:laptop", "ben")
    assert actor.author.name == "ben"


async def test_a_token_without_labels_has_those_of_its_person() -> None:
    of_ben = OfBen()
    actor = await of_ben.tokens.authenticate(await of_ben.secret())
    assert actor is not None
    assert actor.labels == (AMS, FRA)


@pytest.mark.parametrize(
    ("role", "labels"),
    [
        (Role.ADMIN, ()),
        (Role.AUDITOR, ()),
        (Role.VIEWER, (Label("site", "sto"),)),
        (Role.VIEWER, (FRA, Label("site", "sto"))),
    ],
)
async def test_nobody_creates_a_token_with_more_rights_than_their_own(role: Role, labels: tuple[Label, ...]) -> None:
    of_ben = OfBen()
    refused = await of_ben.make(role, labels)
    assert isinstance(refused, Refused)
    assert "your token" in refused.message
    assert await of_ben.tokens.store.tokens() == []


async def test_a_break_glass_operator_creates_no_token() -> None:
    of_ben = OfBen()
    of_ben.ben = Operator("ben", "hash", NOW, Role.ADMIN, kind=Kind.BREAK_GLASS)
    assert isinstance(await of_ben.make(), Refused)


async def test_a_token_loses_the_rights_that_its_person_loses() -> None:
    of_ben = OfBen()
    secret, operators = await of_ben.secret(), of_ben.database.operators
    await operators.set_rights("ben", Role.VIEWER, (FRA,))
    actor = await of_ben.tokens.authenticate(secret)
    assert actor is not None
    assert (actor.role, actor.labels) == (Role.VIEWER, (FRA,))
    await operators.set_disabled("ben", NOW)
    assert await of_ben.tokens.authenticate(secret) is None
    await operators.set_disabled("ben", None)
    assert await of_ben.tokens.authenticate(secret) is not None


async def test_a_token_of_a_person_who_became_an_auditor_decides_nothing_and_lists_no_accounts() -> None:
    of_ben = OfBen()
    secret = await of_ben.secret()
    await of_ben.database.operators.set_rights("ben", Role.AUDITOR, ())
    actor = await of_ben.tokens.authenticate(secret)
    assert actor is not None
    assert [right for right in Right if actor.may(right)] == [Right.READ]
    await of_ben.database.operators.set_rights("ben", Role.ADMIN, ())
    actor = await of_ben.tokens.authenticate(secret)
    assert actor is not None
    assert (actor.role, actor.limit) == (Role.APPROVER, None)


async def test_a_token_without_any_limit_in_common_with_its_person_opens_nothing() -> None:
    of_ben = OfBen()
    secret = await of_ben.secret((FRA,))
    await of_ben.database.operators.set_rights("ben", Role.ADMIN, (AMS,))
    assert await of_ben.tokens.authenticate(secret) is None


async def test_a_person_revokes_only_their_own_tokens() -> None:
    of_ben = OfBen()
    await of_ben.secret()
    await make(of_ben.tokens)
    assert not await of_ben.tokens.revoke_own(Actor("ben", Role.APPROVER), "ci")
    assert not await of_ben.tokens.revoke_own(Actor("ana", Role.APPROVER), "laptop")
    assert await of_ben.tokens.revoke_own(Actor("ben", Role.APPROVER), "laptop")
    assert [token.name for token in await of_ben.tokens.store.tokens()] == ["ci"]
