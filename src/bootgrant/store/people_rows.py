"""Operators, sessions, passkeys, challenges and API tokens as rows of either database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.operators import Kind, Label, Role, parse_labels
from bootgrant.approval.role_grace import Confirmed
from bootgrant.ports.people import (
    ApiToken,
    AuditOfOperator,
    AuditOfSession,
    AuditOfToken,
    Challenge,
    Operator,
    Passkey,
    Purpose,
    Session,
    Stage,
)
from bootgrant.store.push_rows import REMOVE_ALL
from bootgrant.store.rows import Row, RowStore, Statement, insert_into, listed

_OPERATOR: Final = (
    "name", "password_hash", "created_at", "role", "labels", "kind", "disabled_at", "seen_at", "issuer", "subject",
    "disabled_by",
)  # fmt: skip
SESSION: Final = (
    "digest", "operator", "created_at", "seen_at", "authenticated_at", "via", "stage", "address", "browser", "sealed",
    "provider_session", "renewal", "renewal_until", "checked_at",
)  # fmt: skip
_PASSKEY: Final = (
    "credential_id", "operator", "handle", "public_key", "sign_count", "name", "created_at", "used_at"
)  # fmt: skip
_TOKEN: Final = (
    "name", "digest", "role", "labels", "created_at", "created_by", "expires_at", "used_at", "owner"
)  # fmt: skip

_OPERATORS: Final = f"SELECT {listed(_OPERATOR)} FROM operators"
_SESSIONS: Final = f"SELECT {listed(SESSION)} FROM sessions"
_NOT_BY_ADMIN: Final = "(disabled_at IS NULL OR disabled_by <> '')"
"""That no admin has disabled the operator."""
_END_ALL: Final = "DELETE FROM sessions WHERE operator = ?"
_SEEN_WITH: Final = "UPDATE operators SET seen_at = ? WHERE name = (SELECT operator FROM sessions WHERE digest = ?)"


def _with_operator(columns: Sequence[str], table: str) -> str:
    """Return a SELECT of the rows of ``table``, each with its operator."""
    both = f"{listed(columns, 't')}, {listed(_OPERATOR, 'o')}"
    return f"SELECT {both} FROM {table} t JOIN operators o ON o.name = t.operator"


_SESSIONS_WITH_OPERATOR: Final = _with_operator(SESSION, "sessions")
_SESSION_WITH_OPERATOR: Final = f"{_SESSIONS_WITH_OPERATOR} WHERE t.digest = ?"
_PASSKEY_WITH_OPERATOR: Final = f"{_with_operator(_PASSKEY, 'passkeys')} WHERE t.credential_id = ?"


class OperatorRows(RowStore):
    """ports.people.OperatorStore."""

    async def add_operator(self, operator: Operator, audit: AuditEvent | None = None) -> bool:
        add = f"{insert_into('operators', _OPERATOR)} ON CONFLICT DO NOTHING RETURNING name"
        values = (
            operator.name, operator.password_hash, operator.created_at, operator.role.value, _text(operator.labels),
            operator.kind.value, operator.disabled_at, operator.seen_at, operator.issuer, operator.subject,
            operator.disabled_by,
        )  # fmt: skip
        return bool(await self._rows.write((add, values), audit=(lambda _: audit) if audit else None))

    async def operators(self) -> Sequence[Operator]:
        return [_operator(row) for row in await self._rows.read(f"{_OPERATORS} ORDER BY name")]

    async def find_operator(self, name: str) -> Operator | None:
        rows = await self._rows.read(f"{_OPERATORS} WHERE name = ?", name)
        return _operator(rows[0]) if rows else None

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        where = "WHERE issuer <> '' AND issuer = ? AND subject = ?"
        rows = await self._rows.read(f"{_OPERATORS} {where}", issuer, subject)
        return _operator(rows[0]) if rows else None

    async def confirmed(self, name: str) -> Confirmed | None:
        found = "SELECT confirmed_at, confirmed_by FROM operators WHERE name = ? AND confirmed_at IS NOT NULL"
        rows = await self._rows.read(found, name)
        return Confirmed(rows[0][0], tuple(json.loads(rows[0][1]))) if rows else None

    async def set_confirmed(self, name: str, confirmed: Confirmed | None) -> None:
        change = "UPDATE operators SET confirmed_at = ?, confirmed_by = ? WHERE name = ?"
        values = (confirmed.at, json.dumps(confirmed.claims)) if confirmed else (None, "[]")
        await self._rows.write((change, (*values, name)))

    async def set_rights(
        self, name: str, role: Role, labels: tuple[Label, ...], audit: AuditOfOperator | None = None
    ) -> bool:
        change = "UPDATE operators SET role = ?, labels = ? WHERE name = ?"
        return await self._change(name, (change, (role.value, _text(labels), name)), audit=audit)

    async def set_disabled(
        self, name: str, at: float | None, audit: AuditOfOperator | None = None, by: str = ""
    ) -> bool:
        which = f" AND {_NOT_BY_ADMIN}" if by else ""
        change = f"UPDATE operators SET disabled_at = ?, disabled_by = ? WHERE name = ?{which}"
        values = (at, by if at is not None else "", name)
        ends = [_END_ALL, *([REMOVE_ALL] if at is not None else [])]
        return await self._change(name, (change, values), *((end, (name,)) for end in ends), audit=audit, which=which)

    async def set_password(self, name: str, password_hash: str, audit: AuditOfOperator | None = None) -> bool:
        change = "UPDATE operators SET password_hash = ? WHERE name = ?"
        return await self._change(name, (change, (password_hash, name)), (_END_ALL, (name,)), audit=audit)

    async def _change(self, name: str, *statements: Statement, audit: AuditOfOperator | None, which: str = "") -> bool:
        event = (lambda row: audit(_operator(row))) if audit else None
        # Returns the operator as they are before the change, and lets nobody else change them until it is made.
        before = f"UPDATE operators SET seen_at = seen_at WHERE name = ?{which} RETURNING {listed(_OPERATOR)}"
        return bool(await self._rows.write((before, (name,)), *statements, audit=event))

    async def open_session(self, session: Session) -> None:
        begin = f"{insert_into('sessions', SESSION)} ON CONFLICT (digest) DO NOTHING"
        values = (
            session.digest, session.operator, session.created_at, session.seen_at, session.authenticated_at,
            session.via, session.stage.value, session.address, session.browser, session.sealed,
            session.provider_session, session.renewal, session.renewal_until, session.checked_at,
        )  # fmt: skip
        seen = "UPDATE operators SET seen_at = ? WHERE name = ?"
        await self._rows.write((begin, values), (seen, (session.seen_at, session.operator)))

    async def find_session(self, digest: bytes) -> tuple[Session, Operator] | None:
        rows = await self._rows.read(_SESSION_WITH_OPERATOR, digest)
        width = len(SESSION)
        return (session_of(rows[0][:width]), _operator(rows[0][width:])) if rows else None

    async def sessions_of(self, name: str) -> Sequence[Session]:
        rows = await self._rows.read(f"{_SESSIONS} WHERE operator = ? ORDER BY created_at DESC", name)
        return [session_of(row) for row in rows]

    async def sessions_at(self, issuer: str, provider_session: str) -> Sequence[Session]:
        where = "WHERE o.issuer = ? AND t.provider_session = ? AND t.provider_session <> '' ORDER BY t.created_at DESC"
        rows = await self._rows.read(f"{_SESSIONS_WITH_OPERATOR} {where}", issuer, provider_session)
        return [session_of(row[: len(SESSION)]) for row in rows]

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        touch = "UPDATE sessions SET seen_at = ? WHERE digest = ?"
        await self._rows.write((touch, (seen_at, digest)), (_SEEN_WITH, (seen_at, digest)))

    async def end_session(self, digest: bytes, audit: AuditOfSession | None = None) -> bool:
        end = f"DELETE FROM sessions WHERE digest = ? RETURNING {listed(SESSION)}"
        event = (lambda row: audit(session_of(row))) if audit else None
        return bool(await self._rows.write((end, (digest,)), audit=event))

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        old = "DELETE FROM sessions WHERE created_at < ? OR seen_at < ?"
        await self._rows.write((old, (created_at, seen_at)))


class PasskeyRows(RowStore):
    """ports.people.PasskeyStore."""

    async def add_passkey(self, passkey: Passkey) -> bool:
        add = f"{insert_into('passkeys', _PASSKEY)} ON CONFLICT DO NOTHING RETURNING name"
        values = (
            passkey.credential_id, passkey.operator, passkey.handle, passkey.public_key, passkey.sign_count,
            passkey.name, passkey.created_at, passkey.used_at,
        )  # fmt: skip
        return bool(await self._rows.write((add, values)))

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        oldest = f"SELECT {listed(_PASSKEY)} FROM passkeys WHERE operator = ? ORDER BY created_at, credential_id"
        return [Passkey(*row) for row in await self._rows.read(oldest, operator)]

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None:
        rows = await self._rows.read(_PASSKEY_WITH_OPERATOR, credential_id)
        width = len(_PASSKEY)
        return (Passkey(*rows[0][:width]), _operator(rows[0][width:])) if rows else None

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        use = (
            "UPDATE passkeys SET sign_count = ?, used_at = ? WHERE credential_id = ? AND sign_count = ? RETURNING name"
        )
        values = (sign_count, used_at, passkey.credential_id, passkey.sign_count)
        return bool(await self._rows.write((use, values)))

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        remove = "DELETE FROM passkeys WHERE operator = ? AND credential_id = ? RETURNING name"
        return bool(await self._rows.write((remove, (operator, credential_id))))

    async def remove_passkeys(self, operator: str) -> None:
        await self._rows.write(("DELETE FROM passkeys WHERE operator = ?", (operator,)))


class ChallengeRows(RowStore):
    """ports.people.ChallengeStore."""

    async def put_challenge(self, challenge: Challenge, now: float) -> None:
        put = insert_into("challenges", ("digest", "purpose", "about", "expires_at"))
        values = (challenge.digest, challenge.purpose.value, challenge.about, challenge.expires_at)
        await self._rows.write(("DELETE FROM challenges WHERE expires_at <= ?", (now,)), (put, values))

    async def take_challenge(self, digest: bytes, purpose: Purpose, now: float) -> str | None:
        take = "DELETE FROM challenges WHERE digest = ? AND purpose = ? AND expires_at > ? RETURNING about"
        rows = await self._rows.write((take, (digest, purpose.value, now)))
        return str(rows[0][0]) if rows else None


class ApiTokenRows(RowStore):
    """ports.people.ApiTokenStore."""

    async def add_token(self, token: ApiToken, audit: AuditEvent | None = None) -> bool:
        add = f"{insert_into('api_tokens', _TOKEN)} ON CONFLICT DO NOTHING RETURNING name"
        values = (
            token.name, token.digest, token.role.value, _text(token.labels), token.created_at, token.created_by,
            token.expires_at, token.used_at, token.owner,
        )  # fmt: skip
        return bool(await self._rows.write((add, values), audit=(lambda _: audit) if audit else None))

    async def tokens(self) -> Sequence[ApiToken]:
        rows = await self._rows.read(f"SELECT {listed(_TOKEN)} FROM api_tokens ORDER BY name")
        return [_token(row) for row in rows]

    async def find_token(self, digest: bytes) -> ApiToken | None:
        rows = await self._rows.read(f"SELECT {listed(_TOKEN)} FROM api_tokens WHERE digest = ?", digest)
        return _token(rows[0]) if rows else None

    async def touch_token(self, digest: bytes, used_at: float) -> None:
        await self._rows.write(("UPDATE api_tokens SET used_at = ? WHERE digest = ?", (used_at, digest)))

    async def remove_token(self, name: str, audit: AuditOfToken | None = None) -> bool:
        remove = f"DELETE FROM api_tokens WHERE name = ? RETURNING {listed(_TOKEN)}"
        event = (lambda row: audit(_token(row))) if audit else None
        return bool(await self._rows.write((remove, (name,)), audit=event))


def _operator(row: Row) -> Operator:
    name, password_hash, created_at, role, labels, kind, *rest = row
    return Operator(name, password_hash, created_at, Role(role), _labels(labels), Kind(kind), *rest)


def session_of(row: Row) -> Session:
    digest, operator, created_at, seen_at, authenticated_at, via, stage, *rest = row
    return Session(digest, operator, created_at, seen_at, authenticated_at, via, Stage(stage), *rest)


def _token(row: Row) -> ApiToken:
    name, digest, role, labels, *rest = row
    return ApiToken(name, digest, Role(role), _labels(labels), *rest)


def _text(labels: tuple[Label, ...]) -> str:
    """Return labels as they are stored: separated by spaces, which no label contains."""
    return " ".join(str(label) for label in labels)


def _labels(text: str) -> tuple[Label, ...]:
    return parse_labels(text.split())
