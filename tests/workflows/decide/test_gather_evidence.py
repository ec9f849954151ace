"""Evidence is asked for once, waited for a little, and never kept for too long."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.ports.evidence import Claim
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.workflows.decide.grant_cards import IN_LISTS, GatherEvidence
from support.fakes import FakeClock
from support.grants import pending_grant

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class Source:
    """ports.evidence.EvidenceSource that answers when the test says so."""

    name: str = "bmc"
    keeps: float = 60.0
    is_quick: bool = False
    verdict: Verdict = Verdict.MATCH
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    failure: Exception | None = None

    async def check(self, claim: Claim) -> Sequence[Check]:
        self.asked += 1
        if not self.is_quick:
            await self.may_answer.wait()
        if self.failure is not None:
            raise self.failure
        return (Check(self.name, self.verdict, "said"),)


def claim() -> Claim:
    return Claim(pending_grant()[0], None)


async def test_however_many_look_a_source_is_asked_once() -> None:
    source, asked = Source(), claim()
    gather = GatherEvidence([source], FakeClock())
    looking = [asyncio.create_task(gather.about(asked)) for _ in range(20)]
    await asyncio.sleep(0)
    source.may_answer.set()
    assert {checks for task in looking for checks in [await task]} == {(Check("bmc", Verdict.MATCH, "said"),)}
    assert source.asked == 1


async def test_who_does_not_wait_is_told_what_is_known_and_the_answer_is_there_later() -> None:
    source, asked = Source(), claim()
    gather = GatherEvidence([source], FakeClock())
    (check,) = await gather.known(asked)
    assert (check.verdict, check.detail) == (Verdict.UNKNOWN, "still being checked; look again in a moment")
    source.may_answer.set()
    assert (await gather.about(asked))[0].verdict is Verdict.MATCH


async def test_one_that_hangs_holds_nobody_up() -> None:
    gather = GatherEvidence([Source(), Source("network", is_quick=True)], FakeClock(), patience=0.01)
    checks = await gather.about(claim())
    assert [(check.name, check.verdict) for check in checks] == [
        ("bmc", Verdict.UNKNOWN),
        ("network", Verdict.MATCH),
    ]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (StoreUnavailable("disk full"), "could not be checked: disk full"),
        (KeyError("x"), "the check failed; see the server's log"),
    ],
)
async def test_one_that_fails_is_unknown(failure: Exception, told: str) -> None:
    gather = GatherEvidence([Source(is_quick=True, failure=failure)], FakeClock())
    (check,) = await gather.about(claim())
    assert check.verdict is Verdict.UNKNOWN
    assert told in check.detail


async def test_a_list_shows_for_a_while_what_was_said_and_a_card_asks_again() -> None:
    source, clock, asked = Source(is_quick=True, keeps=0.0), FakeClock(), claim()
    gather = GatherEvidence([source], clock)
    for seconds in (0, IN_LISTS, 0.5):
        clock.advance(seconds)
        await gather.known(asked)
    assert source.asked == 2
    clock.advance(0.5)
    await gather.about(asked)
    assert source.asked == 3


async def test_an_answer_is_asked_for_anew_when_it_is_old() -> None:
    source, clock, asked = Source(is_quick=True), FakeClock(), claim()
    gather = GatherEvidence([source], clock)
    for seconds in (0, 59, 2):
        clock.advance(seconds)
        await gather.about(asked)
    assert source.asked == 2
