"""Password hashing with argon2id, as RFC 9106 section 4 recommends for constrained memory (64 MiB, three passes)."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from bootgrant.wire.secret import Secret

_AT_ONCE: Final = 2
"""Hashes that run at once; each takes 64 MiB of memory."""


class Argon2Hasher:
    """Implements ports.people.PasswordHasher in threads."""

    def __init__(self) -> None:
        self._argon2 = PasswordHasher()
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: Secret) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._argon2.hash, password.reveal())

    async def verify(self, password_hash: str, password: Secret) -> bool:
        async with self._slots:
            return await asyncio.to_thread(self._matches, password_hash, password.reveal())

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except InvalidHashError as error:
            raise ValueError("the stored password hash is not an Argon2 hash") from error
