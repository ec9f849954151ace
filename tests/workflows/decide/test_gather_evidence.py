"""Each source of evidence is queried once, waited for briefly, and its answer is not kept for too long."""

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
    """ports.evidence.EvidenceSource that answers when the test lets it."""

    name: str = "bmc"
    keeps: float = 60.0
    is_quick: bool = False
    verdict: Verdict = Verdict.MATCH
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    queried: int = 0
    failure: Exception | None = None

    async def check(self, claim: Claim) -> Sequence[Check]:
        self.queried += 1
        if not self.is_quick:
            await self.answers.wait()
        if self.failure is not None:
            raise self.failure
        return (Check(self.name, self.verdict, "found"),)


def claim() -> Claim:
    return Claim(pending_grant()[0], None)


async def test_a_source_is_queried_once_however_many_people_look() -> None:
    source, about = Source(), claim()
    gather = GatherEvidence([source], FakeClock())
    viewers = [asyncio.create_task(gather.about(about)) for _ in range(20)]
    await asyncio.sleep(0)
    source.answers.set()
    assert {checks for task in viewers for checks in [await task]} == {(Check("bmc", Verdict.MATCH, "found"),)}
    assert source.queried == 1


async def test_a_list_does_not_wait_for_a_slow_source_and_shows_its_answer_later() -> None:
    source, about = Source(), claim()
    gather = GatherEvidence([source], FakeClock())
    (check,) = await gather.known(about)
    assert (check.verdict, check.detail) == (Verdict.UNKNOWN, "still being checked; look again in a moment")
    source.answers.set()
    assert (await gather.about(about))[0].verdict is Verdict.MATCH


async def test_a_source_that_hangs_delays_no_other() -> None:
    gather = GatherEvidence([Source(), Source("network", is_quick=True)], FakeClock(), patience=0.01)
    checks = await gather.about(claim())
    assert [(check.name, check.verdict) for check in checks] == [
        ("bmc", Verdict.UNKNOWN),
        ("network", Verdict.MATCH),
    ]


@pytest.mark.parametrize(
    ("failure", "detail"),
    [
        (StoreUnavailable("disk full"), "could not be checked: disk full"),
        (KeyError("x"), "the check failed; see the server's log"),
    ],
)
async def test_a_source_that_fails_is_unknown(failure: Exception, detail: str) -> None:
    gather = GatherEvidence([Source(is_quick=True, failure=failure)], FakeClock())
    (check,) = await gather.about(claim())
    assert check.verdict is Verdict.UNKNOWN
    assert detail in check.detail


async def test_a_list_shows_the_last_answer_for_a_while_and_a_card_queries_again() -> None:
    source, clock, about = Source(is_quick=True, keeps=0.0), FakeClock(), claim()
    gather = GatherEvidence([source], clock)
    for seconds in (0, IN_LISTS, 0.5):
        clock.advance(seconds)
        await gather.known(about)
    assert source.queried == 2
    clock.advance(0.5)
    await gather.about(about)
    assert source.queried == 3


async def test_an_old_answer_is_replaced() -> None:
    source, clock, about = Source(is_quick=True), FakeClock(), claim()
    gather = GatherEvidence([source], clock)
    for seconds in (0, 59, 2):
        clock.advance(seconds)
        await gather.about(about)
    assert source.queried == 2
