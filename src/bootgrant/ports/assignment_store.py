"""Which entry a person gave to a machine that the configurations do not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
