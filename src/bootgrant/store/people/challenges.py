"""ports.people.ChallengeStore as rows."""

from __future__ import annotations

from typing import Final

from bootgrant.ports.people import Challenge, Purpose
from bootgrant.store.people.rows import Rows

_PUT: Final = "INSERT INTO challenges (digest, purpose, about, expires_at) VALUES (?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM challenges WHERE expires_at <= ?"
_TAKE: Final = "DELETE FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ? RETURNING about"


class ChallengeRows:
    """ports.people.ChallengeStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def put_challenge(self, challenge: Challenge, now: float) -> None:
        values = (challenge.digest, challenge.purpose.value, challenge.about, challenge.expires_at)
        await self._rows.write((_FORGET, (now,)), (_PUT, values))

    async def take_challenge(self, digest: bytes, purpose: Purpose, now: float) -> str | None:
        rows = await self._rows.write((_TAKE, (digest, purpose.value, now)))
        return str(rows[0][0]) if rows else None
