"""Machines that are expected are let in without a person: by a rule of the settings, or an armed window.

It happens after the machine has its answer, so no evidence delays a request. What a rule may never do stands in
approval/policy.py and approval/grant.py: nothing that needs two people, nothing that evidence speaks against.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from bootgrant.approval.grant import Decision, DeviceGrant, GrantState
from bootgrant.approval.operators import VIA_RULE, Author
from bootgrant.approval.policy import Rule, Window, people_needed
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.decisions import WindowStore
from bootgrant.ports.grants import GrantStore, StoreUnavailable
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.grant_cards import GrantCard, GrantCards

log = logging.getLogger("bootgrant.policy")

LOOK: Final = 5.0
"""Seconds between two looks for windows that another server armed."""

_ALL_EVERY: Final = 30.0
_ALL: Final = 5000
_AT_ONCE: Final = 25


class LetIn:
    """Used from one event loop; ``forever`` is its work, and ``arrived`` and ``look_now`` wake it."""

    def __init__(
        self,
        store: GrantStore,
        windows: WindowStore,
        cards: GrantCards,
        decide: DecideGrant,
        clock: Clock,
        rules: Sequence[Rule],
    ) -> None:
        self._store = store
        self._windows = windows
        self._cards = cards
        self._decide = decide
        self._clock = clock
        self._rules = tuple(rules)
        self._open: tuple[Window, ...] = ()
        self._new: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._look_all = True

    def arrived(self, grant: DeviceGrant) -> None:
        """A machine has asked. Costs nothing while there is neither a rule nor a window."""
        if self._rules or self._open:
            self._new[grant.grant_id] = None
            self._wake.set()

    def look_now(self) -> None:
        """Windows or entries have changed: look at everybody who waits."""
        self._look_all = True
        self._wake.set()

    async def step(self) -> None:
        """Let in whoever may be. Raises StoreUnavailable."""
        await self._read_windows()
        if not self._rules and not self._open:
            self._new.clear()
            self._look_all = False
            return
        if self._look_all:
            self._look_all = False
            pending = await self._store.pending_grants(self._clock.now(), _ALL)
            self._new.update({grant.grant_id: None for grant in reversed(pending)})
        while self._new:
            part = list(self._new)[:_AT_ONCE]
            for grant_id in part:
                del self._new[grant_id]
            await asyncio.gather(*(self._consider(grant_id) for grant_id in part))

    async def forever(self) -> None:
        """Work as machines come; look now and then for what another server armed, and at those who still wait."""
        looked_at = self._clock.steady()
        while True:
            self._wake.clear()
            try:
                await self.step()
            except StoreUnavailable as error:
                log.error("rules and windows wait for the database: %s", error)  # noqa: TRY400  (the reason)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), LOOK)
            if self._clock.steady() - looked_at >= _ALL_EVERY:
                looked_at = self._clock.steady()
                self._look_all = True

    async def _read_windows(self) -> None:
        now = self._clock.now()
        known = {window.window_id for window in self._open}
        self._open = tuple(window for window in await self._windows.windows() if window.is_open(now))
        if any(window.window_id not in known for window in self._open):
            self._look_all = True

    async def _consider(self, grant_id: str) -> None:
        grant = await self._store.find_grant(grant_id)
        if grant is None or grant.state_at(self._clock.now()) is not GrantState.PENDING:
            return
        card = await self._cards.with_evidence(grant)
        if card.entry is None or card.problem or people_needed(card.entry, card.evidence):
            return
        for rule in self._rules:
            if not rule.conditions.obstacle(card.entry, grant.source_address, card.evidence):
                await self._approve(card, f"rule {rule.name}")
                return
        for window in self._open:
            if await self._by_window(window, card, card.entry):
                return

    async def _by_window(self, window: Window, card: GrantCard, entry: MachineEntry) -> bool:
        """Whether the window was for this machine and had a place for it."""
        if window.conditions.obstacle(entry, card.grant.source_address, card.evidence):
            return False
        if not await self._windows.take_place(window.window_id, self._clock.now()):
            return False
        if not await self._approve(card, f"window {window.name} by {window.by}"):
            await self._windows.give_back(window.window_id)
        return True

    async def _approve(self, card: GrantCard, by: str) -> bool:
        decision = Decision(Author(by, VIA_RULE), self._clock.now())
        outcome = await self._decide.approve_card(card, decision)
        if isinstance(outcome, DeviceGrant):
            log.info("%r approved the request %s", by, outcome.grant_id)
            return True
        log.info("%r could not approve the request %s: %s", by, card.grant.grant_id, outcome.message)
        return False
