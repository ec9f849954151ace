from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from bootgrant.fleet.observations import NEVER, Observations
from bootgrant.fleet.rehearsal import People, ToApprove
from bootgrant.fleet.scenario import Decisions


class Approvals:
    """Records the batches that were approved, and returns ``refused``."""

    def __init__(self, refused: Mapping[str, str] | None = None) -> None:
        self.batches: list[list[str]] = []
        self._refused = refused or {}
        self._called = asyncio.Event()

    async def __call__(self, machines: Sequence[ToApprove]) -> Mapping[str, str]:
        self.batches.append([machine.user_code for machine in machines])
        self._called.set()
        return self._refused

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.batches) < count:
                self._called.clear()
                await self._called.wait()


async def decided(
    decisions: Decisions, shown: Sequence[tuple[int, str]], batches: int
) -> tuple[Approvals, Observations]:
    approvals, seen = Approvals({"B": "unknown"}), Observations(3)
    people = People(decisions, approvals, seen, 3)
    for index, code in shown:
        people.show(index, ToApprove(code, "uuid"))
    deciding = asyncio.create_task(people.decide(time.monotonic()))
    await approvals.wait_for(batches)
    await asyncio.sleep(0)
    deciding.cancel()
    return approvals, seen


def test_one_by_one_each_code_is_its_own_approval() -> None:
    approvals, seen = asyncio.run(decided(Decisions(0.0, 1), [(0, "A"), (1, "B"), (2, "C")], 3))
    assert approvals.batches == [["A"], ["B"], ["C"]]
    assert all(one.approved_at != NEVER for one in seen.journeys)


def test_all_in_one_batch_waits_for_the_last_machine() -> None:
    approvals, _ = asyncio.run(decided(Decisions(0.0, 0), [(0, "A"), (1, "B"), (2, "C")], 1))
    assert approvals.batches == [["A", "B", "C"]]


def test_a_machine_that_shows_a_new_code_is_approved_by_its_last_one() -> None:
    approvals, _ = asyncio.run(decided(Decisions(0.0, 0), [(0, "A"), (1, "B"), (0, "D"), (2, "C")], 1))
    assert approvals.batches == [["B", "D", "C"]]


def test_an_approval_that_is_refused_is_a_problem() -> None:
    _, seen = asyncio.run(decided(Decisions(0.0, 3), [(0, "A"), (1, "B"), (2, "C")], 1))
    assert seen.problems == {"not approved: unknown": 1}


def test_people_decide_after_a_delay_and_at_a_limited_rate() -> None:
    async def timed() -> list[float]:
        _, seen = await decided(Decisions(0.1, 1, rate=20.0), [(0, "A"), (1, "B"), (2, "C")], 3)
        return [one.approved_at for one in seen.journeys]

    first, second, third = asyncio.run(timed())
    assert first >= 0.1
    assert second >= 0.15
    assert third >= 0.2
