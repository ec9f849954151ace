"""Where grants live. A change is durable before its call returns.

The pure rule of a step runs on the stored row inside the store's compare-and-swap: two servers, or two people, can
never both win. There is no "get, then update".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from bootgrant.approval.grant import DeviceGrant, Refusal

GrantRule = Callable[[DeviceGrant], DeviceGrant | Refusal]


class UserCodeTaken(Exception):
    """Another live grant has the same user code."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now; nothing was changed. The text says why, without secrets."""


class GrantStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def open_grant(self, grant: DeviceGrant) -> None:
        """Keep a new grant. Raises UserCodeTaken."""

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_grant(self, grant_id: str) -> DeviceGrant | None: ...

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Those that wait for a person, newest first."""

    async def change_grant(self, grant_id: str, rule: GrantRule) -> DeviceGrant | Refusal:
        """Apply ``rule`` to the stored grant; its Refusal changes nothing. Unknown id: Refusal.UNKNOWN."""

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        """A future that ends when the grant changes. Taken before the grant is read, it misses no change."""

    async def check_writable(self) -> None:
        """Returns when a write was made durable."""
