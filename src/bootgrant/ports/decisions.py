"""What people decided beside single requests: assigned entries and armed windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.policy import Window
from bootgrant.wire.identity import MachineIdentity


@dataclass(frozen=True, slots=True)
class Assignment:
    """``by`` gave ``entry`` to the machine with this identity, at ``at`` (Unix seconds)."""

    identity: MachineIdentity
    entry: str
    by: str
    at: float


class AssignmentStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def put(self, assignment: Assignment) -> None:
        """Keep it, in place of an older one for the same identity key."""

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        """Those that share a uuid, serial or mac with ``identity``, newest first."""

    async def remove(self, identity_key: str) -> bool:
        """Forget the one with this identity key; whether there was one."""

    async def assignments(self) -> Sequence[Assignment]:
        """All of them, newest first."""


class WindowStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def arm(self, window: Window) -> None:
        """Keep a new window."""

    async def disarm(self, window_id: str) -> bool:
        """Forget a window; whether there was one."""

    async def windows(self) -> Sequence[Window]:
        """All that are kept, oldest first: also those that are over or used up."""

    async def take_place(self, window_id: str, now: float) -> bool:
        """Use one of the window's places, if it is open and one is left: never more than its count, on any server."""

    async def give_back(self, window_id: str) -> None:
        """A place that was taken and not used after all."""

    async def forget_before(self, until: float) -> None:
        """Forget windows that ended before ``until`` (Unix seconds)."""
