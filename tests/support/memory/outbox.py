"""The outbox in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bootgrant.ports.notifications import Outgoing, Topic


class MemoryOutbox:
    """ports.notifications.Outbox in dictionaries."""

    def __init__(self) -> None:
        self._notified: dict[tuple[str, str], float] = {}
        self._messages: dict[str, tuple[float, Outgoing]] = {}

    async def enqueue(self, message: Outgoing) -> int:
        noted = self._notified
        repeats = message.topic is not Topic.WAITING
        new = tuple(grant_id for grant_id in message.grant_ids if repeats or (message.target, grant_id) not in noted)
        if new and not repeats:
            noted.update(((message.target, grant_id), message.created_at) for grant_id in new)
        if new:
            self._messages[message.message_id] = (message.created_at, replace(message, grant_ids=new))
        return len(new)

    async def take(self, targets: Sequence[str], now: float, until: float, limit: int) -> Sequence[Outgoing]:
        due = [(at, message) for at, message in self._messages.values() if at <= now and message.target in targets]
        taken = [
            replace(message, attempts=message.attempts + 1)
            for _, message in sorted(due, key=lambda row: row[0])[:limit]
        ]
        self._messages.update({message.message_id: (until, message) for message in taken})
        return taken

    async def postpone(self, message_id: str, at: float) -> None:
        if message_id in self._messages:
            self._messages[message_id] = (at, self._messages[message_id][1])

    async def done(self, message_id: str) -> None:
        self._messages.pop(message_id, None)

    async def forget(self, before: float) -> None:
        self._notified = {key: at for key, at in self._notified.items() if at >= before}
        self._messages = {key: row for key, row in self._messages.items() if row[1].created_at >= before}
