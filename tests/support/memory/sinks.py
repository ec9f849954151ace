"""The cursors of audit sinks in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bootgrant.approval.audit import Head
from bootgrant.ports.audit_sinks import SinkState


class MemorySinkStore:
    """ports.audit_sinks.SinkStore in dictionaries."""

    def __init__(self) -> None:
        self._sinks: dict[str, SinkState] = {}
        self._turns: dict[str, tuple[str, float]] = {}

    async def begin(self, name: str, after: Head) -> None:
        self._sinks.setdefault(name, SinkState(name, after))
        self._turns.setdefault(name, ("", 0.0))

    async def sinks(self) -> Sequence[SinkState]:
        return [self._sinks[name] for name in sorted(self._sinks)]

    async def take_turn(self, name: str, holder: str, now: float, until: float) -> SinkState | None:
        if name not in self._sinks:
            return None
        has_it, held_until = self._turns[name]
        if has_it != holder and held_until > now:
            return None
        self._turns[name] = (holder, until)
        return self._sinks[name]

    async def note_sent(self, name: str, holder: str, sent: Head, at: float) -> bool:
        if self._turns[name][0] != holder or self._sinks[name].sent.seq > sent.seq:
            return False
        self._sinks[name] = replace(self._sinks[name], sent=sent, sent_at=at, failure="")
        return True

    async def note_failed(self, name: str, holder: str, at: float, failure: str) -> None:
        if self._turns[name][0] == holder:
            self._turns[name] = (holder, 0.0)
            self._sinks[name] = replace(self._sinks[name], failed_at=at, failure=failure)

    async def end_turn(self, name: str, holder: str) -> None:
        if self._turns[name][0] == holder:
            self._turns[name] = (holder, 0.0)
