"""Where audit records are sent as they are written, and how far each of these sinks is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.audit import Head


@dataclass(frozen=True, slots=True)
class SinkRecord:
    """A record as a sink sends it. ``line`` is that of the export: canonical JSON with its digest as ``hash``."""

    seq: int
    digest: str
    kind: str
    at: str
    line: str


class AuditSink(Protocol):
    async def send(self, records: Sequence[SinkRecord]) -> None:
        """Return when the other side has accepted the records, which are in order. Raise NotSent (notifications).

        Some of them may have been sent before. The caller limits the time, by cancelling.
        """


@dataclass(frozen=True, slots=True)
class SinkState:
    """How far a sink is: ``sent`` is the last record that it has.

    ``failure`` is why the last attempt failed, empty after a success. Times are Unix seconds.
    """

    name: str
    sent: Head
    sent_at: float | None = None
    failed_at: float | None = None
    failure: str = ""


class SinkStore(Protocol):
    """The cursors of the sinks. Every method may raise StoreUnavailable (ports.grants).

    One server at a time has the turn of a sink, until a time that it says; ``holder`` identifies it.
    """

    async def begin(self, name: str, after: Head) -> None:
        """Let a new sink continue after this record. One that is known keeps its place."""

    async def sinks(self) -> Sequence[SinkState]:
        """Return every sink that ever began, sorted by name."""

    async def take_turn(self, name: str, holder: str, now: float, until: float) -> SinkState | None:
        """Take or keep the turn until ``until``; return None while another server has it."""

    async def note_sent(self, name: str, holder: str, sent: Head, at: float) -> bool:
        """Move the cursor, which never goes back. Return whether the holder still had the turn."""

    async def note_failed(self, name: str, holder: str, at: float, failure: str) -> None:
        """Keep the reason of a failed attempt, and end the holder's turn."""

    async def end_turn(self, name: str, holder: str) -> None:
        """End the holder's turn, if it has it."""
