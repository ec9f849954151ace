"""Logins of command lines as rows of either database."""

from __future__ import annotations

from typing import Final

from bootgrant.approval.operators import Role, parse_labels
from bootgrant.ports.logins import KEPT_AFTER_EXPIRY, TAKEN_WITHIN, Consent, DecidedLogin, PendingLogin, Unfinished
from bootgrant.store.rows import Row, RowStore, Value, listed

_ASKED: Final = (
    "secret_digest", "code_digest", "host", "reported_user", "address", "created_at", "expires_at", "role", "labels",
    "seconds",
)  # fmt: skip
_CONSENT: Final = ("operator", "via", "given_role", "given_labels", "given_seconds")
_ADD: Final = (
    f"INSERT INTO command_line_logins ({listed(_ASKED)}) VALUES ({', '.join('?' * len(_ASKED))}) "
    "ON CONFLICT DO NOTHING RETURNING address"
)
_WAITS: Final = "code_digest = ? AND expires_at > ? AND decided_at IS NULL"
_DECIDE: Final = (
    "UPDATE command_line_logins SET decided_at = ?, operator = ?, via = ?, given_role = ?, given_labels = ?, "
    "given_seconds = ?, expires_at = CASE WHEN expires_at < ? THEN expires_at ELSE ? END "
    f"WHERE {_WAITS} RETURNING address"
)
_TAKE: Final = (
    "DELETE FROM command_line_logins WHERE secret_digest = ? AND expires_at > ? AND decided_at IS NOT NULL "
    f"RETURNING {listed((*_ASKED, *_CONSENT))}"
)


class LoginRows(RowStore):
    """ports.logins.LoginStore. One statement decides and one takes, so of several servers the first one wins."""

    async def add_login(self, login: PendingLogin, now: float, most: int) -> bool:
        forget = "DELETE FROM command_line_logins WHERE expires_at <= ?"
        await self._rows.write((forget, (now - KEPT_AFTER_EXPIRY,)))
        # Two servers may add the last one at the same time: the limit is against floods, and need not be exact.
        [[waiting]] = await self._rows.read("SELECT COUNT(*) FROM command_line_logins")
        if waiting >= most:
            return False
        values: tuple[Value, ...] = (
            login.secret_digest, login.code_digest, login.host, login.user, login.address, login.created_at,
            login.expires_at, login.role.value, " ".join(map(str, login.labels)), login.seconds,
        )  # fmt: skip
        return bool(await self._rows.write((_ADD, values)))

    async def find_login(self, code_digest: bytes, now: float) -> PendingLogin | None:
        find = f"SELECT {listed(_ASKED)} FROM command_line_logins WHERE {_WAITS}"
        rows = await self._rows.read(find, code_digest, now)
        return _pending(rows[0]) if rows else None

    async def decide_login(self, code_digest: bytes, consent: Consent | None, now: float) -> bool:
        given: tuple[Value, ...] = ("", "", "", "", 0.0)
        if consent is not None:
            labels = " ".join(map(str, consent.labels))
            given = (consent.operator, consent.via, consent.role.value, labels, consent.seconds)
        until = now + TAKEN_WITHIN
        return bool(await self._rows.write((_DECIDE, (now, *given, until, until, code_digest, now))))

    async def take_login(self, secret_digest: bytes, now: float) -> DecidedLogin | Unfinished | None:
        # Most polls find a login that waits: they only read.
        found = await self._rows.read(
            "SELECT expires_at, decided_at FROM command_line_logins WHERE secret_digest = ?", secret_digest
        )
        if not found:
            return None
        [(expires_at, decided_at)] = found
        if expires_at <= now:
            return Unfinished.EXPIRED
        if decided_at is None:
            return Unfinished.WAITING
        rows = await self._rows.write((_TAKE, (secret_digest, now)))
        return _decided(rows[0]) if rows else None


def _pending(row: Row) -> PendingLogin:
    secret, code, host, user, address, created_at, expires_at, role, labels, seconds = row
    wanted = (Role(role), parse_labels(labels.split()), seconds)
    return PendingLogin(secret, code, host, user, address, created_at, expires_at, *wanted)


def _decided(row: Row) -> DecidedLogin:
    operator, via, role, labels, seconds = row[len(_ASKED) :]
    login = _pending(row[: len(_ASKED)])
    if not operator:
        return DecidedLogin(login, None)
    return DecidedLogin(login, Consent(operator, via, Role(role), parse_labels(labels.split()), seconds))
