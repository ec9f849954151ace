"""Messages that are still to be sent, and which machines somebody was told of. Both outlive the process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


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
