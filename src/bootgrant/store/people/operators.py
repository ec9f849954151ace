"""ports.people.OperatorStore as rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.approval.operators import Kind, Label, Role, parse_labels
from bootgrant.ports.people import Operator, Session, Stage
from bootgrant.store.people.rows import Row, Rows, Value

OPERATOR_COLUMNS: Final = (
    "o.name, o.password_hash, o.created_at, o.role, o.labels, o.kind, o.disabled_at, o.seen_at, o.issuer, o.subject"
)
_SESSION_COLUMNS: Final = (
    "s.digest, s.operator, s.created_at, s.seen_at, s.authenticated_at, s.via, s.stage, s.address, s.browser, s.sealed"
)
_OPERATORS: Final = f"SELECT {OPERATOR_COLUMNS} FROM operators o"
_ADD: Final = (
    "INSERT INTO operators (name, password_hash, created_at, role, labels, kind, disabled_at, seen_at, issuer, subject)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING name"
)
_OPEN: Final = (
    "INSERT INTO sessions (digest, operator, created_at, seen_at, authenticated_at, via, stage, address, browser, "
    "sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"
)
_FIND: Final = (
    f"SELECT {_SESSION_COLUMNS}, {OPERATOR_COLUMNS} FROM sessions s JOIN operators o ON o.name = s.operator "
    "WHERE s.digest = ?"
)
_SESSION_WIDTH: Final = 10
_SEEN: Final = "UPDATE operators SET seen_at = ? WHERE name = ?"
_SEEN_WITH: Final = "UPDATE operators SET seen_at = ? WHERE name = (SELECT operator FROM sessions WHERE digest = ?)"
_END_ALL: Final = "DELETE FROM sessions WHERE operator = ?"


class OperatorRows:
    """ports.people.OperatorStore."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add_operator(self, operator: Operator) -> bool:
        values: tuple[Value, ...] = (
            operator.name,
            operator.password_hash,
            operator.created_at,
            operator.role.value,
            labels_text(operator.labels),
            operator.kind.value,
            operator.disabled_at,
            operator.seen_at,
            operator.issuer,
            operator.subject,
        )
        return bool(await self._rows.write((_ADD, values)))

    async def operators(self) -> Sequence[Operator]:
        return [operator_of(row) for row in await self._rows.read(f"{_OPERATORS} ORDER BY o.name")]

    async def find_operator(self, name: str) -> Operator | None:
        rows = await self._rows.read(f"{_OPERATORS} WHERE o.name = ?", name)
        return operator_of(rows[0]) if rows else None

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        where = "WHERE o.issuer <> '' AND o.issuer = ? AND o.subject = ?"
        rows = await self._rows.read(f"{_OPERATORS} {where}", issuer, subject)
        return operator_of(rows[0]) if rows else None

    async def set_rights(self, name: str, role: Role, labels: tuple[Label, ...]) -> bool:
        change = "UPDATE operators SET role = ?, labels = ? WHERE name = ? RETURNING name"
        return bool(await self._rows.write((change, (role.value, labels_text(labels), name))))

    async def set_disabled(self, name: str, at: float | None) -> bool:
        change = "UPDATE operators SET disabled_at = ? WHERE name = ? RETURNING name"
        return bool(await self._rows.write((change, (at, name)), (_END_ALL, (name,))))

    async def set_password(self, name: str, password_hash: str) -> bool:
        change = "UPDATE operators SET password_hash = ? WHERE name = ? RETURNING name"
        return bool(await self._rows.write((change, (password_hash, name)), (_END_ALL, (name,))))

    async def open_session(self, session: Session) -> None:
        values: tuple[Value, ...] = (
            session.digest,
            session.operator,
            session.created_at,
            session.seen_at,
            session.authenticated_at,
            session.via,
            session.stage.value,
            session.address,
            session.browser,
            session.sealed,
        )
        await self._rows.write((_OPEN, values), (_SEEN, (session.seen_at, session.operator)))

    async def find_session(self, digest: bytes) -> tuple[Session, Operator] | None:
        rows = await self._rows.read(_FIND, digest)
        return (session_of(rows[0][:_SESSION_WIDTH]), operator_of(rows[0][_SESSION_WIDTH:])) if rows else None

    async def sessions_of(self, name: str) -> Sequence[Session]:
        newest = f"SELECT {_SESSION_COLUMNS} FROM sessions s WHERE s.operator = ? ORDER BY s.created_at DESC"
        return [session_of(row) for row in await self._rows.read(newest, name)]

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        touch = "UPDATE sessions SET seen_at = ? WHERE digest = ?"
        await self._rows.write((touch, (seen_at, digest)), (_SEEN_WITH, (seen_at, digest)))

    async def end_session(self, digest: bytes) -> None:
        await self._rows.write(("DELETE FROM sessions WHERE digest = ?", (digest,)))

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        old = "DELETE FROM sessions WHERE created_at < ? OR seen_at < ?"
        await self._rows.write((old, (created_at, seen_at)))


def operator_of(row: Row) -> Operator:
    """The operator in a row of OPERATOR_COLUMNS."""
    name, password_hash, created_at, role, labels, kind, disabled_at, seen_at, issuer, subject = row
    return Operator(
        name,
        password_hash,
        created_at,
        Role(role),
        labels_of(labels),
        Kind(kind),
        disabled_at,
        seen_at,
        issuer,
        subject,
    )


def session_of(row: Row) -> Session:
    digest, operator, created_at, seen_at, authenticated_at, via, stage, address, browser, sealed = row
    return Session(digest, operator, created_at, seen_at, authenticated_at, via, Stage(stage), address, browser, sealed)


def labels_text(labels: tuple[Label, ...]) -> str:
    """Labels as they are stored: with a space between them, which none of them holds."""
    return " ".join(str(label) for label in labels)


def labels_of(text: str) -> tuple[Label, ...]:
    return parse_labels(text.split())
