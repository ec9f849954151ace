"""Fakes that implement ports: a clock that stands until it is moved, randomness that repeats, hashes that are none."""

from __future__ import annotations

import asyncio
import hashlib

from bootgrant.wire.secret import Secret


class FakeClock:
    """ports.time.Clock; both of its clocks move together, by hand, until a test sets the wall clock."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at
        self.ahead = 0.0

    def now(self) -> float:
        return self.at + self.ahead

    def steady(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds

    def jump(self, seconds: float) -> None:
        """The wall clock is set, as NTP does it; the steady one does not notice."""
        self.ahead += seconds


class CountedEntropy:
    """ports.time.Entropy: different bytes at every call, the same in every run."""

    def __init__(self) -> None:
        self._calls = 0

    def random_bytes(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(str(self._calls).encode()).digest(count)


class CountingHasher:
    """ports.people.PasswordHasher that counts, and waits until it is open, instead of hashing."""

    def __init__(self) -> None:
        self.verified = 0
        self.open = asyncio.Event()
        self.open.set()

    async def hash(self, password: Secret) -> str:
        return f"hash of {password.reveal()}"

    async def verify(self, password_hash: str, password: Secret) -> bool:
        self.verified += 1
        await self.open.wait()
        return password_hash == f"hash of {password.reveal()}"
