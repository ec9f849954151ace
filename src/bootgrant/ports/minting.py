"""Values made for one delivery (``{mint: [program, …]}``): the programs, and the record of what they made.

A value is in the record only in a form that the machine's own access token opens, so neither the database nor a copy
of it reveals one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bootgrant.approval.audit import AuditEvent
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret


@dataclass(frozen=True, slots=True)
class Minted:
    """A value that is made for the delivery of one request, or was made. Times are Unix seconds.

    ``attempt`` names who makes it, ``began_at`` says since when; ``sealed`` is empty until it is made, and again when
    the machine can no longer fetch it. ``program_id`` is the program's own name for it, empty if it gave none.
    """

    grant_id: str
    variable: str
    entry: str
    machine: MachineIdentity
    unmint: tuple[str, ...]
    attempt: str
    began_at: float
    sealed: str = field(default="", repr=False)
    program_id: str = ""
    tries: int = 0
    """Failed attempts to take it back."""


class MintStore(Protocol):
    """The record of made values, one row for each request and variable. Every method may raise StoreUnavailable."""

    async def begin(self, minted: Minted, stale_before: float) -> Minted:
        """Store ``minted`` unless the request has this variable; return what is stored then.

        A row that is not made and that was begun before ``stale_before`` now belongs to ``minted.attempt``.
        """

    async def finish(self, minted: Minted, audit: AuditEvent) -> bool:
        """Store what was made, with its event, if the row still belongs to ``minted.attempt``; return whether it
        does."""

    async def give_up(self, minted: Minted) -> None:
        """Let the next fetch begin at once: this attempt made nothing that is known."""

    async def due(self, now: float) -> Sequence[Minted]:
        """Return what has to be taken back: its request was revoked or became void, or ended without a delivery."""

    async def claim(self, minted: Minted, now: float, until: float) -> bool:
        """Let no other server take it back until ``until``; return False if another one does so now."""

    async def forget(self, minted: Minted, audit: AuditEvent | None = None) -> None:
        """Delete a row, with the event of what was taken back."""

    async def settle(self, fetched_before: float) -> None:
        """Note which requests got their complete configuration. Erase the sealed values of those that got it before
        ``fetched_before``, and delete the rows of those that are no longer stored."""


class MintPrograms(Protocol):
    """Runs the site's programs. Both methods block for at most the time limit of programs; both raise MintFailed."""

    def mint(self, words: Sequence[str], given: bytes) -> tuple[Secret, str]:
        """Return the value that a program printed, and the program's own id for it."""

    def unmint(self, words: Sequence[str], given: bytes) -> None:
        """Return when the program has ended with success."""


class MintFailed(Exception):
    """A program failed, took too long, or printed something that cannot be a value. The message repeats no output."""
