"""Approve machines without a person: by a rule of the settings, or by an armed window.

This runs after the machine has its code, so gathering evidence delays no request. approval/policy.py and
approval/grant.py hold what no rule may do: approve a machine that needs two people, or one whose evidence mismatches.
Here are the two others: one whose entry a person assigned, and one that cannot be distinguished from another.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.operators import VIA_RULE, Author
from bootgrant.approval.policy import Rule, Window, person_needed
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.grants import GrantStore, WindowStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.grant_cards import GrantCard, GrantCards

log = logging.getLogger("bootgrant.policy")

PERIOD: Final = 5.0
"""Seconds between two looks for windows that another server armed."""

_ALL_EVERY: Final = 30.0
_ALL: Final = 5000
_AT_ONCE: Final = 25


@dataclass(slots=True)
class AutoApprove:
    """A chore for one event loop: ``step``, then ``wait``. ``arrived`` and ``check_all`` end the wait."""

    store: GrantStore
    windows: WindowStore
    cards: GrantCards
    decide: DecideGrant
    clock: Clock
    rules: Sequence[Rule]
    _open: tuple[Window, ...] = ()
    _new: dict[str, None] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _all_at: float = float("-inf")
    """When all pending requests are checked next (steady seconds)."""

    def arrived(self, grant: DeviceGrant) -> None:
        """Check a new request soon. Costs nothing while there is neither a rule nor an open window."""
        if self.rules or self._open:
            self._new[grant.grant_id] = None
            self._wake.set()

    def check_all(self) -> None:
        """Check all pending requests soon, because windows or entries have changed."""
        self._all_at = float("-inf")
        self._wake.set()

    async def step(self) -> None:
        """Approve the requests that a rule or a window allows. Raises StoreUnavailable; the next step checks all."""
        self._wake.clear()
        try:
            await self._read_windows()
            if self.rules or self._open:
                await self._check()
            else:
                self._new.clear()
        except BaseException:
            self._all_at = float("-inf")
            raise

    async def wait(self) -> None:
        """Return when there is a reason for the next step, after PERIOD at the latest."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), PERIOD)

    async def _read_windows(self) -> None:
        now = self.clock.now()
        known = {window.window_id for window in self._open}
        self._open = tuple(window for window in await self.windows.windows() if window.is_open(now))
        if any(window.window_id not in known for window in self._open):
            self._all_at = float("-inf")

    async def _check(self) -> None:
        steady = self.clock.steady()
        if steady >= self._all_at:
            self._all_at = steady + _ALL_EVERY
            pending = await self.store.pending_grants(self.clock.now(), _ALL)
            self._new.update({grant.grant_id: None for grant in reversed(pending)})
        while self._new:
            part = list(self._new)[:_AT_ONCE]
            for grant_id in part:
                del self._new[grant_id]
            await asyncio.gather(*(self._consider(grant_id) for grant_id in part))

    async def _consider(self, grant_id: str) -> None:
        grant = await self.store.find_grant(grant_id)
        if grant is None or grant.state_at(self.clock.now()) is not GrantState.PENDING:
            return
        card = await self.cards.with_evidence(grant)
        if card.entry is None or card.problem or person_needed(card.entry, card.evidence):
            return
        if card.assignment is not None or card.alike:
            return
        for rule in self.rules:
            if not rule.conditions.obstacle(card.entry, grant.source_address, card.evidence):
                await self._approve(card, f"rule {rule.name}")
                return
        for window in self._open:
            if await self._use_window(window, card, card.entry):
                return

    async def _use_window(self, window: Window, card: GrantCard, entry: MachineEntry) -> bool:
        """Approve by this window. Return False when it is not for this machine or has no place left."""
        if window.conditions.obstacle(entry, card.grant.source_address, card.evidence):
            return False
        if not await self.windows.take_place(window.window_id, self.clock.now()):
            return False
        if not await self._approve(card, f"window {window.name} by {window.by}"):
            await self.windows.give_back(window.window_id)
        return True

    async def _approve(self, card: GrantCard, by: str) -> bool:
        decision = Decision(Author(by, VIA_RULE), self.clock.now())
        outcome = await self.decide.approve_card(card, decision)
        if isinstance(outcome, DeviceGrant):
            log.info("%r approved the request %s", by, outcome.grant_id)
            return True
        log.info("%r could not approve the request %s: %s", by, card.grant.grant_id, outcome.message)
        return False
