"""Remembered sign-outs, and sessions that are checked with their provider, as rows of either database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.ports.people import Session
from bootgrant.store.people_rows import SESSION, session_of
from bootgrant.store.rows import RowStore, insert_into, listed

_NOTED: Final = ("digest", "noted_at", "expires_at")


class SignOutRows(RowStore):
    """ports.leaving.SignOutStore."""

    async def note_sign_out(self, digest: bytes, now: float, expires_at: float) -> None:
        again = "ON CONFLICT (digest) DO UPDATE SET noted_at = excluded.noted_at, expires_at = excluded.expires_at"
        put = f"{insert_into('sign_outs', _NOTED)} {again}"
        await self._rows.write(
            ("DELETE FROM sign_outs WHERE expires_at <= ?", (now,)), (put, (digest, now, expires_at))
        )

    async def sign_out_noted(self, digest: bytes, now: float) -> float | None:
        find = "SELECT noted_at FROM sign_outs WHERE digest = ? AND expires_at > ?"
        rows = await self._rows.read(find, digest, now)
        return float(rows[0][0]) if rows else None


class SessionCheckRows(RowStore):
    """ports.leaving.SessionCheckStore."""

    async def sessions_to_check(self, via: str, checked_before: float, now: float, limit: int) -> Sequence[Session]:
        due = "via = ? AND renewal <> '' AND checked_at < ? AND claimed_until <= ? ORDER BY checked_at LIMIT ?"
        found = f"SELECT {listed(SESSION)} FROM sessions WHERE {due}"
        rows = await self._rows.read(found, via, checked_before, now, limit)
        return [session_of(row) for row in rows]

    async def claim_check(self, session: Session, now: float, until: float) -> bool:
        claim = (
            "UPDATE sessions SET claimed_until = ? "
            "WHERE digest = ? AND renewal = ? AND claimed_until <= ? RETURNING digest"
        )
        return bool(await self._rows.write((claim, (until, session.digest, session.renewal, now))))

    async def keep_check(self, session: Session, renewal: str, renewal_until: float | None, checked_at: float) -> bool:
        keep = (
            "UPDATE sessions SET renewal = ?, renewal_until = ?, checked_at = ?, claimed_until = 0 "
            "WHERE digest = ? AND renewal = ? RETURNING digest"
        )
        values = (renewal, renewal_until, checked_at, session.digest, session.renewal)
        return bool(await self._rows.write((keep, values)))

    async def release_check(self, digest: bytes) -> None:
        await self._rows.write(("UPDATE sessions SET claimed_until = 0 WHERE digest = ?", (digest,)))
