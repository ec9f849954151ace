"""Messages to people: how they are sent, and the outbox that survives a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from bootgrant.wire.identity import MachineIdentity


class Topic(Enum):
    """What a message is about."""

    WAITING = "waiting"
    ELSEWHERE = "other address"


@dataclass(frozen=True, slots=True)
class NoticeMachine:
    """A waiting machine. Every text is short printable ASCII, because anyone may have claimed it.

    ``entry`` is empty if the machine has no configuration; ``by_pattern`` means that it does not name the machine
    exactly. ``link`` leads to its card. ``undelivered`` says
    that the machine was approved before, but got nothing; empty when that is not so.

    ``used_at`` is the other address at which its token was used, and ``refused`` whether it got nothing there (only for
    Topic.ELSEWHERE).
    """

    identity: Mapping[str, str]
    address: str
    entry: str
    labels: Mapping[str, str]
    asked_at: float
    link: str
    by_pattern: bool = False
    used_at: str = ""
    refused: bool = False
    undelivered: str = ""

    @property
    def line(self) -> str:
        """The machine on one line, without its link."""
        how = " (matched by pattern)" if self.by_pattern else ""
        gets = f"gets {self.entry}{how}" if self.entry else "no configuration yet"
        return f"{MachineIdentity.shown(self.identity)} from {self.address}, {gets}" + (
            f". {self.undelivered}" if self.undelivered else ""
        )


@dataclass(frozen=True, slots=True)
class Notice:
    """``count`` machines are waiting, ``machines`` are the first of them, ``link`` leads to all. Nothing is secret.

    With Topic.ELSEWHERE, it is about the one machine in ``machines``, which is not waiting.
    """

    message_id: str
    at: float
    link: str
    count: int
    machines: tuple[NoticeMachine, ...] = field(default=())
    is_test: bool = False
    topic: Topic = Topic.WAITING

    @property
    def title(self) -> str:
        if self.is_test:
            return "bootgrant: test message, no machine is waiting"
        if self.topic is Topic.ELSEWHERE:
            return "bootgrant: a token was used at another address"
        return "bootgrant: a machine is waiting" if self.count == 1 else f"bootgrant: {self.count} machines are waiting"

    @property
    def more(self) -> int:
        """How many machines are not in ``machines``."""
        return self.count - len(self.machines)


class NotSent(Exception):
    """Why a message did not arrive, on one line without secrets.

    ``permanent``: another attempt cannot succeed. ``after``: the seconds for which the other side wants no attempt.
    """

    def __init__(self, reason: str, *, permanent: bool = False, after: float = 0.0) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.after = after


class Messenger(Protocol):
    async def send(self, notice: Notice, text: str) -> None:
        """Return when the other side has accepted the message; ``text`` is the notice in words. Raise NotSent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to one target about these requests. ``attempts`` includes the one in progress. Times: Unix seconds."""

    message_id: str
    target: str
    grant_ids: tuple[str, ...]
    created_at: float
    attempts: int = 0
    topic: Topic = Topic.WAITING


class Outbox(Protocol):
    """Every method may raise StoreUnavailable (ports.grants)."""

    async def enqueue(self, message: Outgoing) -> int:
        """Keep the message for those of its machines that its target does not know of yet, and return their number.

        This is one transaction: if several servers send the same, one succeeds. Without new machines nothing is kept.
        A message of another topic than WAITING is always kept.
        """

    async def take(self, targets: Sequence[str], now: float, until: float, limit: int) -> Sequence[Outgoing]:
        """Return messages that are due and reserve them until ``until``, so that none is lost if the server dies."""

    async def postpone(self, message_id: str, at: float) -> None:
        """Schedule the next attempt for ``at``."""

    async def done(self, message_id: str) -> None:
        """Remove a message that was sent, or that nobody needs any more."""

    async def forget(self, before: float) -> None:
        """Forget everything older than ``before``."""
