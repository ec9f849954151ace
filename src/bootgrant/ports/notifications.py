"""Messages to people: how they are sent, and the outbox that survives a restart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class NoticeMachine:
    """One machine that waits. Every text is printable ASCII and short: it may have been claimed by a stranger.

    ``entry`` is empty when it has no configuration; ``link`` leads to its card, where a person signs in and decides.
    """

    identity: Mapping[str, str]
    address: str
    entry: str
    labels: Mapping[str, str]
    asked_at: float
    link: str

    @property
    def line(self) -> str:
        """The machine in one line, without its link."""
        who = " ".join(f"{name}={value}" for name, value in self.identity.items())
        return f"{who} from {self.address}, {f'gets {self.entry}' if self.entry else 'no configuration yet'}"


@dataclass(frozen=True, slots=True)
class Notice:
    """``count`` machines wait; ``machines`` are the first of them. ``link`` leads to all. Nothing in it is secret."""

    message_id: str
    at: float
    link: str
    count: int
    machines: tuple[NoticeMachine, ...] = field(default=())
    is_test: bool = False

    @property
    def title(self) -> str:
        if self.is_test:
            return "bootgrant: a test, no machine waits"
        return "bootgrant: a machine waits" if self.count == 1 else f"bootgrant: {self.count} machines wait"

    @property
    def more(self) -> int:
        """How many machines are not among ``machines``."""
        return self.count - len(self.machines)


class NotSent(Exception):
    """Why a message did not arrive, in one line without secrets. ``permanent``: trying again would not help.

    ``after`` is how many seconds the other side wants to be left alone.
    """

    def __init__(self, reason: str, *, permanent: bool = False, after: float = 0.0) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.after = after


class Messenger(Protocol):
    async def send(self, notice: Notice, text: str) -> None:
        """Returns when the other side has taken it. ``text`` is the notice in words. Raises NotSent."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one target about some machines, by the ids of their requests. Times are Unix seconds.

    ``attempts`` counts the one that is being made.
    """

    message_id: str
    target: str
    grant_ids: tuple[str, ...]
    created_at: float
    attempts: int = 0


class Outbox(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def enqueue(self, message: Outgoing) -> int:
        """Keep the message for those of its machines that its target was not told of yet; how many they are.

        One transaction: of several servers that say the same, one is heard. Nothing is kept when there is none left.
        """

    async def take(self, targets: Sequence[str], now: float, until: float, limit: int) -> Sequence[Outgoing]:
        """Messages that are due, each now this caller's ``until`` then: whoever dies in between loses none."""

    async def postpone(self, message_id: str, at: float) -> None:
        """It was not sent: try again at ``at``."""

    async def done(self, message_id: str) -> None:
        """It was sent, or nobody needs it any more."""

    async def forget(self, before: float) -> None:
        """Forget what is older than ``before``."""
