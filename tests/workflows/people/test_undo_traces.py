"""The undo finds what has moved on: votes of later requests, tokens that are gone, downloads that ended late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from bootgrant.approval.grant import Delivery, DeviceGrant
from bootgrant.approval.operators import Actor, Kind, Role, via_token
from bootgrant.approval.policy import Window
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.people import Operator
from bootgrant.workflows.decide.windows import WindowRequest
from bootgrant.workflows.people.undo import Given, UndoChoice, WorkOf
from bootgrant.workflows.record.audit import delivered
from support.deciding import ANA, BEN
from support.grants import NOW, other_machine
from support.undoing import CAROL, CI, NOTHING, ROOT, WITH_PASSKEY, Site, given, prepare_everything

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("asked", [0, 1, 2])
async def test_a_vote_whose_code_has_expired_moves_to_no_further_request(site: Site, asked: int) -> None:
    work = await site.prepare()
    await site.voted()
    for _ in range(asked):
        site.clock.advance(601)
        await site.asks_again()
    site.clock.advance(601)
    assert given(await work.preview("ana", NOW)) == [("control plane", Given.VOTE)]
    assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == [("control plane", Given.VOTE)]
    assert given(await work.preview("ana", NOW)) == []
    last = await site.asks_again()
    assert (await site.current(last)).votes == ()
    await site.decide.approve(last.grant_id, BEN)
    assert await site.states(last) == [GrantState.PENDING]


class AskedMeanwhile:
    """A store of requests in which something happens just before the next change."""

    def __init__(self, store: GrantStore, happens: Callable[[], Awaitable[object]]) -> None:
        self._store, self._happens = store, [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def change_grant(self, *given: Any, **named: Any) -> Any:
        while self._happens:
            await self._happens.pop()()
        return await self._store.change_grant(*given, **named)


async def test_a_vote_is_withdrawn_from_a_request_that_was_opened_during_the_undo(site: Site) -> None:
    work = await site.prepare()
    await site.voted()
    opened: list[DeviceGrant] = []

    async def ask() -> None:
        opened.append(await site.asks_again())

    work = replace(work, grants=cast("GrantStore", AskedMeanwhile(work.grants, ask)))
    outcome = await work.undo("ana", NOW, NOTHING, ROOT)
    assert given(outcome) == [("control plane", Given.VOTE)]
    assert isinstance(outcome, WorkOf)
    assert [each.grant_id for each in outcome.approvals] == [opened[0].grant_id]
    assert (await site.current(opened[0])).votes == ()


async def test_an_approval_counts_after_an_earlier_vote_for_the_request_was_withdrawn(site: Site) -> None:
    work = await site.prepare()
    grant = await site.voted()
    await work.undo("ana", NOW, NOTHING, ROOT)
    for actor in (BEN, WITH_PASSKEY):
        site.clock.advance(1)
        await site.decide.approve(grant.grant_id, actor)
    assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == [("control plane", Given.APPROVAL)]
    assert await site.states(grant) == [GrantState.REVOKED]


async def test_an_approval_of_others_stays_when_the_vote_did_not_move_to_it(site: Site) -> None:
    work = await site.prepare()
    await site.voted()
    later = await site.asks_again("another entry")
    for actor in (BEN, CAROL):
        await site.database.operators.add_operator(Operator(actor.name, "hash", NOW, Role.APPROVER, (), Kind.LOCAL))
        await site.decide.approve(later.grant_id, actor)
    assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == []
    assert await site.states(later) == [GrantState.APPROVED]


async def test_approvals_with_a_token_that_the_person_made_for_a_program_are_undone_too(site: Site) -> None:
    work = await site.prepare()
    await site.tokens.create("old", Role.APPROVER, (), 3600, ANA)
    await site.approved(1, replace(CI, name="old", via=via_token("old")))
    since = site.clock.now() + 1
    site.clock.advance(2)
    await site.tokens.create("ci", Role.APPROVER, (), 3600, ANA)
    await site.delivered(await site.approved(2, CI))
    assert isinstance(await site.arm.arm(WindowRequest(("worker-3",), 3600.0, 3, name="rack3"), CI), Window)
    await site.request(other_machine(3))
    await site.auto_approve.step()
    found = await work.preview("ana", since)
    assert given(found) == [("SN0002", Given.CONFIGURATION), ("SN0003", Given.APPROVAL)]
    assert isinstance(found, WorkOf)
    assert [window.name for window in found.windows] == ["rack3"]
    site.clock.advance(1)
    await site.tokens.revoke("ci", ROOT)
    site.clock.advance(1)
    await site.tokens.create("ci", Role.APPROVER, (), 3600, ROOT)
    by_root = await site.approved(4, CI)
    outcome = await work.undo("ana", since, NOTHING, ROOT)
    assert given(outcome)[0] == ("SN0002", Given.CONFIGURATION)
    assert "SN0004" not in dict(given(outcome))
    assert await site.states(by_root) == [GrantState.APPROVED]


async def test_an_undo_that_revokes_tokens_names_the_approvals_given_with_them(site: Site) -> None:
    work = await prepare_everything(site)
    await site.tokens.create("deploy", Role.APPROVER, (), 3600, ANA)
    tokens = ("of-ana", "ana"), ("deploy", "")
    grants = [
        await site.approved(number, Actor(token, Role.APPROVER, via=via_token(token), owner=owner))
        for number, (token, owner) in enumerate(tokens)
    ]
    outcome = await work.undo("ana", NOW, UndoChoice(tokens=True), ROOT)
    assert given(outcome) == [("SN0000", Given.APPROVAL), ("SN0001", Given.APPROVAL)]
    assert await site.states(*grants) == [GrantState.REVOKED] * 2


@pytest.mark.parametrize("step", ["none", "void", "revoke"])
async def test_a_download_that_ended_after_the_approval_is_named(site: Site, step: str) -> None:
    work = await site.prepare()
    grant, now = await site.approved(1), site.clock.now()
    await site.redeemed(grant)
    ends = {"void": lambda stored: stored.void("x", now), "revoke": lambda stored: stored.revoke(now)}
    if step in ends:
        await site.database.grants.change_grant(grant.grant_id, ends[step])
    await site.database.audit.append([delivered(Delivery(now, "10.20.0.12", "ab" * 32, 700), "", "file")(grant)])
    outcome = await work.undo("ana", NOW, NOTHING, ROOT)
    assert given(outcome) == [("SN0001", Given.CONFIGURATION)]
    assert isinstance(outcome, WorkOf)
    assert outcome.delivered[0].deliveries == ((now, "10.20.0.12"),)
    assert await site.states(grant) == [GrantState.VOID if step == "void" else GrantState.REVOKED]
