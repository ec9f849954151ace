"""Codes that come again after they were used or replaced: counted, recorded within limits, shown on the next card."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Verdict
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.workflows.record.codes_again import BURST, EVERY, PER_REQUEST, CodesAgain
from support.deciding import ANA, Deciders
from support.grants import NOW, pending_grant

pytestmark = pytest.mark.anyio


@pytest.fixture
def site() -> Deciders:
    return Deciders()


@pytest.fixture
def again(site: Deciders) -> CodesAgain:
    return CodesAgain(site.database.audit, site.clock, site.cards.rules)


def replaced() -> DeviceGrant:
    return pending_grant(state=GrantState.REPLACED)[0]


async def recorded(site: Deciders) -> list[AuditEvent]:
    found = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.CODE_AGAIN,)), 1000)
    return [record.event for record in reversed(found)]


async def test_a_machine_and_a_person_are_counted_and_recorded(site: Deciders, again: CodesAgain) -> None:
    grant = replaced()
    again.polled(grant, "10.20.0.11", is_elsewhere=False)
    again.entered(grant, ANA, "opened", "10.0.0.5")
    await again.step()
    assert dict(again.counts) == {("machine", "replaced"): 1, ("person", "replaced"): 1}
    by_machine, by_person = await recorded(site)
    assert (by_machine.actor, by_machine.address, by_machine.grant_id) == ("", "10.20.0.11", grant.grant_id)
    assert (by_person.actor, by_person.via, by_person.address) == ("ana", "session", "10.0.0.5")
    assert by_machine.identity == grant.identity
    assert dict(by_person.details) == {"how": "opened", "code": "replaced"}


async def test_a_code_in_use_is_not_noted(site: Deciders, again: CodesAgain) -> None:
    grant, _ = pending_grant()
    again.polled(grant, "10.66.0.6", is_elsewhere=True)
    again.entered(grant, ANA, "typed", "10.0.0.5")
    await again.step()
    assert not again.counts
    assert await recorded(site) == []


async def test_the_code_of_one_request_is_recorded_a_few_times_and_counted_always(
    site: Deciders, again: CodesAgain
) -> None:
    grant = replaced()
    for _ in range(500):
        again.polled(grant, "10.20.0.11", is_elsewhere=False)
    await again.step()
    assert again.counts["machine", "replaced"] == 500
    assert len(await recorded(site)) == PER_REQUEST
    again.entered(grant, ANA, "opened", "10.0.0.5")
    await again.step()
    assert (await recorded(site))[-1].actor == "ana"


async def test_a_stranger_who_replaces_request_after_request_fills_neither_audit_nor_log(
    site: Deciders, again: CodesAgain, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(5000):
        again.polled(replaced(), "10.66.0.6", is_elsewhere=True)
    await again.step()
    events = await recorded(site)
    assert len(events) == BURST + 1
    assert dict(events[-1].details) == {"presented": 5000 - BURST, "from": "10.66.0.6"}
    assert len(caplog.records) == BURST
    site.clock.advance(EVERY)
    await again.step()
    for _ in range(5000):
        again.polled(replaced(), "10.66.0.6", is_elsewhere=True)
    await again.step()
    assert len(await recorded(site)) == BURST + 3


async def test_the_card_of_the_machines_next_request_shows_it(site: Deciders, again: CodesAgain) -> None:
    first = await site.request(replaced().identity)
    second = await site.request(first.identity)
    again.polled(await site.current(first), "10.20.0.11", is_elsewhere=False)
    again.entered(await site.current(first), ANA, "opened", "10.0.0.5")
    await again.step()
    site.clock.advance(60)
    by_machine, by_person = [
        check for check in (await site.cards.full(second)).evidence if "code of an earlier" in check.detail
    ]
    assert by_machine.verdict is Verdict.MISMATCH
    assert "presented again from 10.20.0.11 at 2027-01-15 08:00 UTC" in by_machine.detail
    assert by_person.verdict is Verdict.UNKNOWN
    assert by_person.detail.startswith("ana presented the code of an earlier request")
    site.clock.advance(600)
    assert not (await site.cards.full(second)).has_conflict
    assert site.clock.now() > NOW
