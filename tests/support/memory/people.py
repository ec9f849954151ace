"""Operators, sessions, passkeys, challenges and API tokens in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.operators import Label, Role
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
)
from bootgrant.ports.push import PushDevice
from support.memory.decisions import MemoryAuditLog


class MemoryOperatorStore:
    """ports.people.OperatorStore."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._operators: dict[str, Operator] = {}
        self.open_sessions: dict[bytes, Session] = {}
        self._confirmed: dict[str, Confirmed] = {}
        self.push_devices: dict[str, PushDevice] = {}

    async def add_operator(self, operator: Operator, audit: AuditEvent | None = None) -> bool:
        if operator.name in self._operators or await self.find_subject(operator.issuer, operator.subject):
            return False
        self._operators[operator.name] = operator
        await self._audit.append([audit] if audit else [])
        return True

    async def operators(self) -> Sequence[Operator]:
        return sorted(self._operators.values(), key=lambda operator: operator.name)

    async def find_operator(self, name: str) -> Operator | None:
        return self._operators.get(name)

    async def find_subject(self, issuer: str, subject: str) -> Operator | None:
        same = (o for o in self._operators.values() if issuer and (o.issuer, o.subject) == (issuer, subject))
        return next(same, None)

    async def confirmed(self, name: str) -> Confirmed | None:
        return self._confirmed.get(name)

    async def set_confirmed(self, name: str, confirmed: Confirmed | None) -> None:
        if confirmed is None:
            self._confirmed.pop(name, None)
        elif name in self._operators:
            self._confirmed[name] = confirmed

    async def set_rights(
        self, name: str, role: Role, labels: tuple[Label, ...], audit: AuditOfOperator | None = None
    ) -> bool:
        return await self._change(name, audit, role=role, labels=labels)

    async def set_disabled(
        self, name: str, at: float | None, audit: AuditOfOperator | None = None, by: str = ""
    ) -> bool:
        operator = self._operators.get(name)
        if by and operator is not None and operator.disabled_at is not None and not operator.disabled_by:
            return False
        found = await self._change(name, audit, disabled_at=at, disabled_by=by if at is not None else "")
        self._end_all(name)
        if at is not None:
            self.push_devices = {key: one for key, one in self.push_devices.items() if one.operator != name}
        return found

    async def set_password(self, name: str, password_hash: str, audit: AuditOfOperator | None = None) -> bool:
        found = await self._change(name, audit, password_hash=password_hash)
        self._end_all(name)
        return found

    async def _change(self, name: str, audit: AuditOfOperator | None, **changes: Any) -> bool:
        operator = self._operators.get(name)
        if operator is None:
            return False
        await self._audit.append([audit(operator)] if audit else [])
        self._operators[name] = replace(operator, **changes)
        return True

    async def open_session(self, session: Session) -> None:
        self.open_sessions.setdefault(session.digest, session)
        self._note_seen(session.operator, session.seen_at)

    async def find_session(self, digest: bytes) -> tuple[Session, Operator] | None:
        session = self.open_sessions.get(digest)
        return (session, self._operators[session.operator]) if session else None

    async def sessions_of(self, name: str) -> Sequence[Session]:
        own = [session for session in self.open_sessions.values() if session.operator == name]
        return sorted(own, key=lambda session: -session.created_at)

    async def sessions_at(self, issuer: str, provider_session: str) -> Sequence[Session]:
        found = [one for one in self.open_sessions.values() if provider_session == one.provider_session != ""]
        of_issuer = [one for one in found if self._operators[one.operator].issuer == issuer]
        return sorted(of_issuer, key=lambda session: -session.created_at)

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        if session := self.open_sessions.get(digest):
            self.open_sessions[digest] = replace(session, seen_at=seen_at)
            self._note_seen(session.operator, seen_at)

    async def end_session(self, digest: bytes, audit: AuditOfSession | None = None) -> bool:
        session = self.open_sessions.get(digest)
        await self._audit.append([audit(session)] if audit and session else [])
        return self.open_sessions.pop(digest, None) is not None

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        self.open_sessions = {
            digest: session
            for digest, session in self.open_sessions.items()
            if session.created_at >= created_at and session.seen_at >= seen_at
        }

    def _end_all(self, name: str) -> None:
        self.open_sessions = {d: session for d, session in self.open_sessions.items() if session.operator != name}

    def _note_seen(self, name: str, at: float) -> None:
        self._operators[name] = replace(self._operators[name], seen_at=at)


class MemoryPasskeyStore:
    """ports.people.PasskeyStore."""

    def __init__(self, operators: MemoryOperatorStore) -> None:
        self._operators = operators
        self._passkeys: dict[bytes, Passkey] = {}

    async def add_passkey(self, passkey: Passkey) -> bool:
        return self._passkeys.setdefault(passkey.credential_id, passkey) is passkey

    async def passkeys_of(self, operator: str) -> Sequence[Passkey]:
        own = [passkey for passkey in self._passkeys.values() if passkey.operator == operator]
        return sorted(own, key=lambda passkey: (passkey.created_at, passkey.credential_id))

    async def find_passkey(self, credential_id: bytes) -> tuple[Passkey, Operator] | None:
        passkey = self._passkeys.get(credential_id)
        operator = await self._operators.find_operator(passkey.operator) if passkey else None
        return (passkey, operator) if passkey and operator else None

    async def use_passkey(self, passkey: Passkey, sign_count: int, used_at: float) -> bool:
        stored = self._passkeys.get(passkey.credential_id)
        if stored is None or stored.sign_count != passkey.sign_count:
            return False
        self._passkeys[passkey.credential_id] = replace(stored, sign_count=sign_count, used_at=used_at)
        return True

    async def remove_passkey(self, operator: str, credential_id: bytes) -> bool:
        stored = self._passkeys.get(credential_id)
        if stored is None or stored.operator != operator:
            return False
        del self._passkeys[credential_id]
        return True

    async def remove_passkeys(self, operator: str) -> None:
        self._passkeys = {key: passkey for key, passkey in self._passkeys.items() if passkey.operator != operator}


class MemoryChallengeStore:
    """ports.people.ChallengeStore."""

    def __init__(self) -> None:
        self._challenges: dict[bytes, Challenge] = {}

    async def put_challenge(self, challenge: Challenge, now: float) -> None:
        self._challenges = {digest: kept for digest, kept in self._challenges.items() if kept.expires_at > now}
        self._challenges[challenge.digest] = challenge

    async def take_challenge(self, digest: bytes, purpose: Purpose, now: float) -> str | None:
        challenge = self._challenges.get(digest)
        if challenge is None or challenge.purpose is not purpose or challenge.expires_at <= now:
            return None
        del self._challenges[digest]
        return challenge.about


class MemoryApiTokenStore:
    """ports.people.ApiTokenStore."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._tokens: dict[str, ApiToken] = {}

    async def add_token(self, token: ApiToken, audit: AuditEvent | None = None) -> bool:
        added = self._tokens.setdefault(token.name, token) is token
        await self._audit.append([audit] if audit and added else [])
        return added

    async def tokens(self) -> Sequence[ApiToken]:
        return sorted(self._tokens.values(), key=lambda token: token.name)

    async def find_token(self, digest: bytes) -> ApiToken | None:
        return next((token for token in self._tokens.values() if token.digest == digest), None)

    async def touch_token(self, digest: bytes, used_at: float) -> None:
        if token := await self.find_token(digest):
            self._tokens[token.name] = replace(token, used_at=used_at)

    async def remove_token(self, name: str, audit: AuditOfToken | None = None) -> bool:
        token = self._tokens.get(name)
        await self._audit.append([audit(token)] if audit and token else [])
        return self._tokens.pop(name, None) is not None
