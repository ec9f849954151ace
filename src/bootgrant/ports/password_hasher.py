"""Passwords as hashes that cost much to guess."""

from typing import Protocol

from bootgrant.wire.secret import Secret


class PasswordHasher(Protocol):
    """Both take their time (tens of milliseconds) and leave the event loop free meanwhile."""

    async def hash(self, password: Secret) -> str:
        """A salted hash, with its parameters in it."""

    async def verify(self, password_hash: str, password: Secret) -> bool:
        """Whether the password has this hash. Raises ValueError when ``password_hash`` is no hash of this hasher."""
