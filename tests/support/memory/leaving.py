"""Remembered sign-outs and checked sessions in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bootgrant.ports.people import Session
from support.memory.people import MemoryOperatorStore


class MemorySignOutStore:
    """ports.leaving.SignOutStore."""

    def __init__(self) -> None:
        self._noted: dict[bytes, tuple[float, float]] = {}

    async def note_sign_out(self, digest: bytes, now: float, expires_at: float) -> None:
        self._noted = {noted: times for noted, times in self._noted.items() if times[1] > now}
        self._noted[digest] = (now, expires_at)

    async def sign_out_noted(self, digest: bytes, now: float) -> float | None:
        noted_at, expires_at = self._noted.get(digest, (0.0, 0.0))
        return noted_at if expires_at > now else None


class MemorySessionCheckStore:
    """ports.leaving.SessionCheckStore."""

    def __init__(self, operators: MemoryOperatorStore) -> None:
        self._operators = operators
        self._claims: dict[bytes, float] = {}

    async def sessions_to_check(self, via: str, checked_before: float, now: float, limit: int) -> Sequence[Session]:
        due = [
            session
            for session in self._operators.open_sessions.values()
            if session.via == via
            and session.renewal
            and session.checked_at < checked_before
            and self._is_free(session.digest, now)
        ]
        return sorted(due, key=lambda session: session.checked_at)[:limit]

    async def claim_check(self, session: Session, now: float, until: float) -> bool:
        if not self._has(session) or not self._is_free(session.digest, now):
            return False
        self._claims[session.digest] = until
        return True

    async def keep_check(self, session: Session, renewal: str, renewal_until: float | None, checked_at: float) -> bool:
        if not self._has(session):
            return False
        stored = self._operators.open_sessions[session.digest]
        self._operators.open_sessions[session.digest] = replace(
            stored, renewal=renewal, renewal_until=renewal_until, checked_at=checked_at
        )
        await self.release_check(session.digest)
        return True

    async def release_check(self, digest: bytes) -> None:
        self._claims.pop(digest, None)

    def _has(self, session: Session) -> bool:
        stored = self._operators.open_sessions.get(session.digest)
        return stored is not None and stored.renewal == session.renewal

    def _is_free(self, digest: bytes, now: float) -> bool:
        return self._claims.get(digest, 0.0) <= now
