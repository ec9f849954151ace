"""Undoing what one person approved: found whichever way they approved it, taken back once, and recorded."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import Refused
from bootgrant.approval.policy import Window
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.windows import WindowRequest
from bootgrant.workflows.people.undo import Given, UndoChoice, WorkOf
from support.deciding import ANA, BEN, worker
from support.grants import NOW, UUID, other_machine
from support.undoing import NOTHING, ROOT, WITH_PASSKEY, Site, given, prepare_everything

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Site:
    return Site()


async def test_approvals_and_tokens_of_one_person_are_revoked_and_deliveries_are_listed(site: Site) -> None:
    work = await site.prepare()
    early = await site.approved(0)
    since = site.clock.now() + 0.5
    waiting, fetched, done, by_ben = [
        await site.approved(number, actor) for number, actor in ((1, ANA), (2, WITH_PASSKEY), (3, ANA), (4, BEN))
    ]
    await site.redeemed(fetched)
    await site.delivered(done)
    expected = [("SN0001", Given.APPROVAL), ("SN0002", Given.TOKEN), ("SN0003", Given.CONFIGURATION)]
    before = await site.events()
    assert given(await work.preview("ana", since)) == expected
    assert await site.events() == before
    outcome = await work.undo("ana", since, NOTHING, ROOT)
    assert given(outcome) == expected
    assert isinstance(outcome, WorkOf)
    (configuration,) = outcome.delivered
    assert [address for _, address in configuration.deliveries] == ["10.20.0.12"]
    assert not configuration.is_over
    revoked = [GrantState.REVOKED] * 3
    assert await site.states(waiting, fetched, done) == revoked
    assert await site.states(early, by_ben) == [GrantState.APPROVED] * 2
    records = (await site.events())[len(before) :]
    assert {(event.kind, event.actor, event.reason.partition(" since ")[0]) for event in records} == {
        (AuditKind.REVOKED, "root", "undo of ana")
    }
    assert {event.grant_id for event in records} == {waiting.grant_id, fetched.grant_id, done.grant_id}


async def test_an_undo_can_be_repeated_and_still_names_what_was_delivered(site: Site) -> None:
    work = await site.prepare()
    await site.delivered(await site.approved(1))
    await site.approved(2)
    await work.undo("ana", NOW, NOTHING, ROOT)
    records = len(await site.events())
    again = await work.undo("ana", NOW, NOTHING, ROOT)
    assert given(again) == [("SN0001", Given.CONFIGURATION)]
    assert isinstance(again, WorkOf)
    assert again.delivered[0].is_over
    assert len(await site.events()) == records


async def test_a_delivery_of_a_request_that_is_no_longer_stored_is_named_from_the_audit(site: Site) -> None:
    work = await site.prepare()
    await site.delivered(await site.approved(1))
    await site.approved(2)
    await site.database.grants.collect_ended(NOW + 10**6, NOW + 10**6, 10)
    outcome = await work.undo("ana", NOW, NOTHING, ROOT)
    assert given(outcome) == [("SN0001", Given.CONFIGURATION)]
    assert isinstance(outcome, WorkOf)
    assert outcome.delivered[0].deliveries[0][1] == "10.20.0.12"


async def test_a_vote_is_withdrawn_while_the_machine_waits_and_leaves_no_mark_on_it(site: Site) -> None:
    work = await site.prepare()
    grant = await site.request(MachineIdentity(uuid=UUID))
    await site.decide.approve(grant.grant_id, ANA)
    assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == [("control plane", Given.VOTE)]
    assert (await site.current(grant)).votes == ()
    last = (await site.events())[-1]
    assert (last.kind, last.actor, last.grant_id) == (AuditKind.VOTE_WITHDRAWN, "root", grant.grant_id)
    assert given(await work.preview("ana", NOW)) == []
    assert isinstance(await site.decide.approve(grant.grant_id, BEN), DeviceGrant)
    assert (await site.current(grant)).state is GrantState.PENDING


async def test_an_approval_that_needed_the_persons_vote_is_revoked(site: Site) -> None:
    work = await site.prepare()
    grant = await site.request(MachineIdentity(uuid=UUID))
    for actor in (ANA, BEN):
        await site.decide.approve(grant.grant_id, actor)
    assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == [("control plane", Given.APPROVAL)]
    assert await site.states(grant) == [GrantState.REVOKED]


async def test_a_vote_that_another_request_took_over_is_found_without_its_own_record(site: Site) -> None:
    work = await site.prepare()
    for approvers in ((), (BEN,)):
        grant = await site.request(MachineIdentity(uuid=UUID))
        await site.moved_vote(grant, Decision(ANA.author, site.clock.now()))
        for actor in approvers:
            await site.decide.approve(grant.grant_id, actor)
        given_now = Given.APPROVAL if approvers else Given.VOTE
        assert given(await work.undo("ana", NOW, NOTHING, ROOT)) == [("control plane", given_now)]
        current = await site.current(grant)
        assert current.votes == () or current.state is GrantState.REVOKED
        site.clock.advance(1)


async def test_approvals_of_the_persons_windows_are_undone_too(site: Site) -> None:
    work = await site.prepare()
    for actor, name, select in ((WITH_PASSKEY, "rack4", "worker-1"), (BEN, "rack5", "worker-2")):
        window = await site.arm.arm(WindowRequest((select,), 3600.0, 3, name=name), actor)
        assert isinstance(window, Window)
    site.clock.advance(60)
    grants = [await site.request(other_machine(number)) for number in (1, 2)]
    await site.auto_approve.step()
    outcome = await work.undo("ana", NOW + 30, NOTHING, ROOT)
    assert given(outcome) == [("SN0001", Given.APPROVAL)]
    assert isinstance(outcome, WorkOf)
    assert outcome.approvals[0].by == "window rack4 by ana (passkey)"
    assert outcome.windows == ()
    assert await site.states(*grants) == [GrantState.REVOKED, GrantState.APPROVED]


async def left(site: Site) -> tuple[list[str], list[str], list[str]]:
    """Return the operators with a session, the windows and the tokens that are left."""
    operators = site.database.operators
    sessions = [name for name in ("ana", "ben") if await operators.sessions_of(name)]
    windows = sorted(window.name for window in await site.arm.windows())
    return sessions, windows, [token.name for token in await site.database.api_tokens.tokens()]


async def test_sessions_windows_and_tokens_are_offered_and_ended_only_if_chosen(site: Site) -> None:
    work = await prepare_everything(site)
    everything = await left(site)
    found = await work.undo("ana", NOW, NOTHING, ROOT)
    assert isinstance(found, WorkOf)
    assert found.is_empty
    assert await left(site) == everything
    found = await work.preview("ana", NOW)
    assert isinstance(found, WorkOf)
    assert [session.operator for session in found.sessions] == ["ana"]
    assert [window.name for window in found.windows] == ["ana-window", "of-ana-window"]
    assert [token.name for token in found.tokens] == ["ci", "of-ana"]
    before = len(await site.events())
    assert await work.undo("ana", NOW, UndoChoice(sessions=True, windows=True, tokens=True), ROOT) == found
    assert await left(site) == (["ben"], ["ben-window", "of-ben-window"], ["of-ben"])
    events = (await site.events())[before:]
    assert {event.actor for event in events} == {"root"}
    assert {event.reason for event in events} == {"undo of ana since 2027-01-15T08:00:00.000Z"}
    assert [event.kind for event in events] == [
        AuditKind.OPERATOR_CHANGED, AuditKind.DISARMED, AuditKind.DISARMED, AuditKind.TOKEN_CHANGED,
        AuditKind.TOKEN_CHANGED,
    ]  # fmt: skip


async def test_a_revoked_token_takes_its_windows_with_it_and_says_so(site: Site) -> None:
    work = await prepare_everything(site)
    outcome = await work.undo("ana", NOW, UndoChoice(tokens=True), ROOT)
    assert isinstance(outcome, WorkOf)
    assert [window.name for window in outcome.windows] == ["of-ana-window"]
    assert (await left(site))[1] == ["ana-window", "ben-window", "of-ben-window"]


async def test_a_token_for_a_program_is_offered_only_if_it_was_created_since_then(site: Site) -> None:
    work = await prepare_everything(site)
    site.clock.advance(60)
    found = await work.preview("ana", NOW + 30)
    assert isinstance(found, WorkOf)
    assert [token.name for token in found.tokens] == ["of-ana"]


async def test_names_of_one_person_are_found_together(site: Site) -> None:
    work = await site.prepare()
    grant = await site.approved(1)
    assert given(await work.undo("ANA", NOW, NOTHING, ROOT)) == [("SN0001", Given.APPROVAL)]
    assert await site.states(grant) == [GrantState.REVOKED]


async def test_an_unknown_person_or_a_time_to_come_is_refused(site: Site) -> None:
    work = await site.prepare()
    unknown = await work.undo("anna", NOW, NOTHING, ROOT)
    assert isinstance(unknown, Refused)
    assert unknown.message.endswith("the audit has nothing by this name: the nearest names are ana, ben")
    future = await work.undo("ana", NOW + 1, NOTHING, ROOT)
    assert isinstance(future, Refused)
    assert "is in the future" in future.message
    assert not await site.database.audit.newest(AuditFilter(), 1)


async def test_many_approvals_are_undone_page_by_page(site: Site) -> None:
    work = await site.prepare()
    site.entries.known += [worker(number) for number in range(100, 640)]
    grants = [await site.approved(number) for number in range(100, 640)]
    assert len(given(await work.undo("ana", NOW, NOTHING, ROOT))) == len(grants)
    assert set(await site.states(*grants)) == {GrantState.REVOKED}
