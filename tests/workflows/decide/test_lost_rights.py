"""Whoever is shut out has no say any more: not by a vote of before, not by a window that stays open."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.approval.operators import Actor, Kind, Label, Role, socket_actor, via_token
from bootgrant.approval.policy import Window
from bootgrant.credentials.passwords import Argon2Hasher
from bootgrant.ports.people import Operator
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.windows import CloseWindows, WindowRequest
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken
from bootgrant.workflows.people.manage_operators import ManageOperators
from support.deciding import ANA, BEN, CP, Deciders, worker
from support.fakes import CountedEntropy
from support.grants import NOW, UUID, other_machine

pytestmark = pytest.mark.anyio
AMS = (Label("site", "ams"),)
FRA = (Label("site", "fra"),)


class Site(Deciders):
    """The parts, and those who say who may decide."""

    async def people(self) -> ManageOperators:
        for name in ("ana", "ben", "cleo"):
            await self.database.operators.add_operator(Operator(name, "hash", NOW, Role.APPROVER, (), Kind.LOCAL))
        base, windows, entropy = self.database, self.windows(), CountedEntropy()
        return ManageOperators(
            base.operators, base.passkeys, Argon2Hasher(), self.clock, entropy, windows, self.tokens()
        )

    def tokens(self) -> ApiTokens:
        base = self.database
        return ApiTokens(base.api_tokens, base.operators, self.clock, CountedEntropy(), self.windows())

    def windows(self) -> CloseWindows:
        return CloseWindows(self.database.windows, self.database.audit, self.clock)

    async def window(self, by: Actor, name: str) -> None:
        assert isinstance(await self.arm.arm(WindowRequest(("site=fra",), 3600, 5, name=name), by), Window)

    async def open_windows(self) -> list[str]:
        return [window.name for window in await self.arm.windows()]


@pytest.fixture
def site() -> Site:
    made = Site()
    made.entries.known += [CP, worker(1)]
    return made


@pytest.mark.parametrize("way", ["disabled", "viewer", "other machines"])
async def test_the_vote_of_who_may_no_longer_decide_does_not_count(site: Site, way: str) -> None:
    manage = await site.people()
    grant = await site.asks(MachineIdentity(uuid=UUID))
    await site.decide.approve(grant.grant_id, ANA)
    if way == "disabled":
        await manage.disable("ana")
    else:
        await manage.set_rights("ana", Role.VIEWER if way == "viewer" else Role.APPROVER, AMS)
    card = await site.decide.cards.show(grant.grant_id)
    assert card is not None
    assert card.votes == ()
    outcome = await site.decide.approve(grant.grant_id, BEN)
    assert isinstance(outcome, DeviceGrant)
    assert (outcome.state, [vote.author.name for vote in outcome.votes]) == (GrantState.PENDING, ["ben"])
    await site.decide.approve(grant.grant_id, Actor("cleo", Role.APPROVER))
    assert (await site.now(grant)).state is GrantState.APPROVED


async def test_a_vote_counts_as_long_as_its_operator_may_decide(site: Site) -> None:
    await site.people()
    grant = await site.asks(MachineIdentity(uuid=UUID))
    await site.decide.approve(grant.grant_id, ANA)
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.now(grant)).state is GrantState.APPROVED


async def test_a_vote_over_the_admin_socket_needs_no_operator_and_falls_with_one_who_is_shut_out(site: Site) -> None:
    manage = await site.people()
    await manage.set_rights("ana", Role.VIEWER, None)
    grant = await site.asks(MachineIdentity(uuid=UUID))
    for user, counted in (("root", 1), ("ana", 1)):
        await site.decide.approve(grant.grant_id, socket_actor(user))
        card = await site.decide.cards.show(grant.grant_id)
        assert card is not None
        assert len(card.votes) == counted
    other = await site.asks(MachineIdentity(uuid=UUID), "10.20.0.12")
    await site.decide.approve(other.grant_id, socket_actor("ana"))
    await manage.disable("ana")
    card = await site.decide.cards.show(other.grant_id)
    assert card is not None
    assert card.votes == ()


async def test_the_windows_of_who_is_shut_out_are_closed_and_let_nobody_in(site: Site) -> None:
    manage = await site.people()
    await site.window(ANA, "session")
    await site.window(Actor("ana", Role.APPROVER, via="passkey"), "passkey")
    await site.window(BEN, "ben")
    await site.window(Actor("ana", Role.ADMIN, via=via_token("ana")), "token")
    await manage.disable("ana")
    assert await site.open_windows() == ["ben", "token"]
    closed = [event for event in await site.noted() if event.kind is AuditKind.DISARMED]
    assert [(event.reason, event.details["name"]) for event in closed] == [
        ("the operator ana was disabled", "session"),
        ("the operator ana was disabled", "passkey"),
    ]
    await manage.disable("ben")
    assert await site.tokens().revoke("ana") is False
    await site.windows().of_token("ana")
    grant = await site.asks(other_machine(1))
    await site.auto_approve.step()
    assert (await site.now(grant)).state is GrantState.PENDING


@pytest.mark.parametrize(
    ("role", "labels", "left"),
    [(Role.VIEWER, None, ["ben"]), (Role.APPROVER, AMS, ["ben"]), (Role.APPROVER, FRA, ["ana", "ben"])],
)
async def test_windows_that_their_operator_could_not_arm_any_more_are_closed(
    site: Site, role: Role, labels: tuple[Label, ...] | None, left: list[str]
) -> None:
    manage = await site.people()
    await site.window(ANA, "ana")
    await site.window(BEN, "ben")
    await site.window(socket_actor("ana"), "socket")
    await manage.set_rights("ana", role, labels)
    assert await site.open_windows() == [*left, "socket"]
    reasons = [event.reason for event in await site.noted() if event.kind is AuditKind.DISARMED]
    assert reasons == ["the operator ana may not arm it any more"] * ("ana" not in left)


async def test_the_vote_of_a_token_that_was_revoked_does_not_count(site: Site) -> None:
    await site.people()
    ana, tokens = await site.database.operators.find_operator("ana"), site.tokens()
    assert ana is not None
    made = await tokens.create_own("laptop", Role.APPROVER, (), 3600, ana)
    assert isinstance(made, NewToken)
    actor = await tokens.authenticate(made.secret)
    assert actor is not None
    grant = await site.asks(MachineIdentity(uuid=UUID))
    voted = await site.decide.approve(grant.grant_id, actor)
    assert isinstance(voted, DeviceGrant)
    assert [vote.by for vote in voted.votes] == ["ana (token:laptop)"]
    assert await tokens.revoke_own("ana", "laptop")
    await site.decide.approve(grant.grant_id, BEN)
    assert (await site.now(grant)).state is GrantState.PENDING
    await site.decide.approve(grant.grant_id, ANA)
    assert (await site.now(grant)).state is GrantState.APPROVED


async def test_a_revoked_token_leaves_no_window_behind(site: Site) -> None:
    tokens = site.tokens()
    await tokens.create("ci", Role.APPROVER, (), 3600, socket_actor("root"))
    await site.window(Actor("ci", Role.APPROVER, via=via_token("ci")), "rack-4")
    await site.window(socket_actor("ci"), "by-hand")
    assert await tokens.revoke("ci")
    assert await site.open_windows() == ["by-hand"]


async def test_the_windows_of_ones_own_token_name_their_person_and_close_with_them(site: Site) -> None:
    manage = await site.people()
    ana = await site.database.operators.find_operator("ana")
    assert ana is not None
    tokens = site.tokens()
    for name in ("laptop", "ben"):
        made = await tokens.create_own(name, Role.APPROVER, (), 3600, ana)
        assert isinstance(made, NewToken)
        actor = await tokens.authenticate(made.secret)
        assert actor is not None
        await site.window(actor, f"by-{name}")
    assert [window.by for window in await site.arm.windows()] == ["ana (token:laptop)", "ana (token:ben)"]
    await manage.disable("ben")
    assert await tokens.revoke("laptop")
    assert await site.open_windows() == ["by-ben"]
    await manage.disable("ana")
    assert await site.open_windows() == []
