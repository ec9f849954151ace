"""Where the people and their sessions live. Passwords are argon2 hashes, sessions are digests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, repr=False)
class Operator:
    """A person who may decide. Times are Unix seconds."""

    name: str
    password_hash: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one operator, known by its digest."""

    digest: bytes
    operator: str
    created_at: float
    seen_at: float


class OperatorStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def put_operator(self, operator: Operator) -> None:
        """Add the operator, or replace the one of the same name (a new password); ends their sessions."""

    async def find_operator(self, name: str) -> Operator | None: ...

    async def open_session(self, session: Session) -> None: ...

    async def find_session(self, digest: bytes) -> Session | None: ...

    async def touch_session(self, digest: bytes, seen_at: float) -> None: ...

    async def end_session(self, digest: bytes) -> None: ...

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        """Forget the sessions made before ``created_at`` or last seen before ``seen_at``."""
