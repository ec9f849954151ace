"""Logins of command lines in memory."""

from __future__ import annotations

from dataclasses import replace

from bootgrant.ports.logins import KEPT_AFTER_EXPIRY, TAKEN_WITHIN, Consent, DecidedLogin, PendingLogin, Unfinished


class MemoryLoginStore:
    """ports.logins.LoginStore."""

    def __init__(self) -> None:
        self._logins: dict[bytes, PendingLogin] = {}
        self._decided: dict[bytes, Consent | None] = {}

    async def add_login(self, login: PendingLogin, now: float, most: int) -> bool:
        for digest, known in list(self._logins.items()):
            if known.expires_at <= now - KEPT_AFTER_EXPIRY:
                self._forget(digest)
        codes = {known.code_digest for known in self._logins.values()}
        if len(self._logins) >= most or login.code_digest in codes or login.secret_digest in self._logins:
            return False
        self._logins[login.secret_digest] = login
        return True

    async def find_login(self, code_digest: bytes, now: float) -> PendingLogin | None:
        for login in self._logins.values():
            if login.code_digest == code_digest and login.expires_at > now and login.secret_digest not in self._decided:
                return login
        return None

    async def decide_login(self, code_digest: bytes, consent: Consent | None, now: float) -> bool:
        login = await self.find_login(code_digest, now)
        if login is not None:
            self._decided[login.secret_digest] = consent
            until = min(login.expires_at, now + TAKEN_WITHIN)
            self._logins[login.secret_digest] = replace(login, expires_at=until)
        return login is not None

    async def take_login(self, secret_digest: bytes, now: float) -> DecidedLogin | Unfinished | None:
        login = self._logins.get(secret_digest)
        if login is None:
            return None
        if login.expires_at <= now:
            return Unfinished.EXPIRED
        if secret_digest not in self._decided:
            return Unfinished.WAITING
        decided = DecidedLogin(login, self._decided[secret_digest])
        self._forget(secret_digest)
        return decided

    def forget_all(self) -> None:
        for digest in list(self._logins):
            self._forget(digest)

    def _forget(self, secret_digest: bytes) -> None:
        self._logins.pop(secret_digest, None)
        self._decided.pop(secret_digest, None)
