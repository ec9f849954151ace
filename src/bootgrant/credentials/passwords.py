"""Passwords hashed with argon2id, as RFC 9106 section 4 recommends where memory is shared (64 MiB, three passes)."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from bootgrant.wire.secret import Secret

_AT_ONCE: Final = 2
"""Each one takes 64 MiB while it runs."""


class Argon2Hasher:
    """ports.people.PasswordHasher. Hashes run in threads, two at once; the others wait their turn."""

    def __init__(self) -> None:
        self._argon2 = PasswordHasher()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def hash(self, password: Secret) -> str:
        async with self._turns:
            return await asyncio.to_thread(partial(self._argon2.hash, password.reveal()))

    async def verify(self, password_hash: str, password: Secret) -> bool:
        async with self._turns:
            return await asyncio.to_thread(self._matches, password_hash, password.reveal())

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._argon2.verify(password_hash, password)
        except VerifyMismatchError:
            return False
        except InvalidHashError as error:
            raise ValueError("the stored password hash is not one of argon2") from error
