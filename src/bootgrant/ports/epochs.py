"""What a server has seen of its database: the file outside it, and the rows of servers that wait for an admin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bootgrant.approval.audit import AuditEvent, Head
from bootgrant.approval.epoch import Acceptance, Recorded, Seen, Taken


class SeenUnreadable(Exception):
    """The file exists and cannot be read or understood. The message says what to do."""


class SeenFile(Protocol):
    """The file of one server. Every method may raise OSError."""

    def read(self) -> Seen | None:
        """Return what was written last; None if nothing was. Raises SeenUnreadable."""

    def replace_unusable(self, seen: Seen) -> None:
        """Write it, and keep the file that cannot be used under another name, where a person finds it."""

    def write(self, seen: Seen) -> None:
        """Write it durably, in place of what was there."""


class EpochStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def newest(self) -> Head:
        """Return the end of the audit."""

    async def recorded(self, seen: Seen) -> Recorded:
        """Return what the database has of what was seen."""

    async def taken_since(self, seq: int) -> Sequence[Taken]:
        """Return the records after this number that took rights away, oldest first."""

    async def report(self, server: str, seen: Seen, at: float) -> None:
        """Store what a waiting server has seen, in place of what it reported before."""

    async def reports(self) -> Sequence[Seen]:
        """Return what waiting servers have seen."""

    async def accept(self, acceptances: Sequence[Acceptance], audit: AuditEvent) -> bool:
        """Begin the next epoch, in one transaction: delete every session, API token, login of a command line, open
        challenge, and armed window, and what servers have reported. Return False if another server did it first."""
