"""Evidence for a machine's claim, asked for when somebody looks at its card or a policy decides; never by its request.

Each source is asked once for a request, however many look at it, and its answer is kept as long as it stays good.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.evidence import Check, Verdict, worst_first
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.evidence import Claim, EvidenceSource
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.time import Clock

log = logging.getLogger("bootgrant.evidence")

PATIENCE: Final = 5.0
"""Seconds that a card waits for its evidence; what comes later is there the next time."""

IN_LISTS: Final = 10.0
"""Seconds for which lists show what was said: they are looked at once a second, by many, with hundreds of machines."""

_LONGEST: Final = 120.0
_KEPT: Final = 20_000
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Asked:
    answer: asyncio.Task[tuple[Check, ...]]
    at: float


class GatherEvidence:
    """``patience`` is how many seconds ``about`` waits. Used from one event loop."""

    def __init__(self, sources: Sequence[EvidenceSource], clock: Clock, patience: float = PATIENCE) -> None:
        self._sources = tuple(sources)
        self._clock = clock
        self._patience = patience
        self._asked: OrderedDict[Key, _Asked] = OrderedDict()

    async def about(self, claim: Claim) -> tuple[Check, ...]:
        """What every source says, worst first; one that does not answer in time is unknown."""
        return await self._gather(claim, self._patience, 0.0)

    async def known(self, claim: Claim) -> tuple[Check, ...]:
        """The same without waiting for those who ask outside: they are asked, and what they said already is told."""
        return await self._gather(claim, 0.0, IN_LISTS)

    async def _gather(self, claim: Claim, patience: float, good_for: float) -> tuple[Check, ...]:
        asked = [(source, self._ask(source, claim, max(good_for, source.keeps))) for source in self._sources]
        await asyncio.gather(*(answer for source, answer in asked if source.is_quick))
        slow = {answer for source, answer in asked if not source.is_quick and not answer.done()}
        if slow and patience > 0:
            await asyncio.wait(slow, timeout=patience)
        checks = [check for source, answer in asked for check in _said(source, answer)]
        return worst_first(checks)

    def _ask(self, source: EvidenceSource, claim: Claim, good_for: float) -> asyncio.Task[tuple[Check, ...]]:
        key = (claim.grant.grant_id, source.name, claim.entry.fingerprint if claim.entry else "")
        now = self._clock.steady()
        asked = self._asked.get(key)
        if asked is None or (asked.answer.done() and now - asked.at > good_for):
            asked = self._asked[key] = _Asked(asyncio.create_task(_answer(source, claim)), now)
            self._asked.move_to_end(key)
            while len(self._asked) > _KEPT:
                self._asked.popitem(last=False)
        return asked.answer


def _said(source: EvidenceSource, answer: asyncio.Task[tuple[Check, ...]]) -> tuple[Check, ...]:
    if not answer.done():
        return (Check(source.name, Verdict.UNKNOWN, "is being asked; look again in a moment"),)
    if answer.cancelled():
        return (Check(source.name, Verdict.UNKNOWN, "was not asked to the end"),)
    return answer.result()


async def _answer(source: EvidenceSource, claim: Claim) -> tuple[Check, ...]:
    try:
        async with asyncio.timeout(_LONGEST):
            return tuple(await source.check(claim))
    except TimeoutError:
        problem = f"no answer in {_LONGEST:.0f} s"
    except (StoreUnavailable, ConfigUnavailable) as error:
        problem = f"could not be asked: {error}"
    except Exception:
        log.exception("the evidence %s failed", source.name)
        problem = "failed; the server's log says how"
    return (Check(source.name, Verdict.UNKNOWN, problem),)
