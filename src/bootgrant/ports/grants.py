"""Where grants live. A change is durable before its call returns.

The pure rule of a step runs on the stored row inside the store's compare-and-swap: two servers, or two people, can
never both win. There is no "get, then update"."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf
from bootgrant.wire.identity import MachineIdentity

GrantRule = Callable[[DeviceGrant], DeviceGrant | Refusal]


class UserCodeTaken(Exception):
    """Another live grant has the same user code."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now. The text says why, without secrets.

    Nothing was changed, unless the text says that this is not known: the database went away at that moment.
    """


@dataclass(frozen=True, slots=True)
class Census:
    """How many wait for a person, when the oldest of them asked (Unix seconds), and how many are approved and have
    not fetched their configuration yet."""

    pending: int
    oldest: float | None
    unfetched: int


class GrantStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def open_grant(self, grant: DeviceGrant) -> Sequence[str]:
        """Keep a new grant. Raises UserCodeTaken.

        Pending grants with the same identity key from the same address are replaced by it in the same transaction;
        their ids are returned, and those who watch them are woken.
        """

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        """For polls: of a grant that waits, it may say what was true some seconds ago, as ``find_watched`` does."""

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_grant(self, grant_id: str) -> DeviceGrant | None: ...

    async def find_watched(self, grant_id: str) -> DeviceGrant | None:
        """The grant, for somebody who watches it: it may be told as waiting a little longer than it is, and the watch
        ends when that was so."""

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Those that wait for a person, newest first."""

    async def pending_since(self, opened_after: float, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Those of them that asked after ``opened_after``, newest first. Cheap when these are few."""

    async def census(self, now: float) -> Census:
        """Counted for whoever watches the server; it holds up nobody."""

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        """The newest grant that was denied after ``since`` and holds for this machine: one with the same identity key
        from any address, or one from ``address`` that shares a strong variable and contradicts none.

        From another address a part of the identity is not enough: a claim is no proof, and nobody may silence others.
        """

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        """Pending grants, not expired, that share a strong variable (uuid, serial or mac) with ``identity``."""

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None, audit: AuditOf | None = None
    ) -> DeviceGrant | Refusal:
        """Apply ``rule`` to the stored grant; its Refusal changes nothing. Unknown id: Refusal.UNKNOWN.

        ``delivery`` is kept with the grant, and the event that ``audit`` makes of it stands in the audit, in the same
        transaction, when the rule changed the grant.
        """

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        """The complete deliveries of a grant, oldest first."""

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        """Forget at most ``limit`` ended grants, with their deliveries; how many went.

        Those that never had a token go when they expired before ``unfetched_before``, the others when their token
        ended before ``fetched_before``.
        """

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        """A future that ends when the grant changes. Taken before the grant is read, it misses no change."""

    async def check_writable(self) -> None:
        """Returns when a write was made durable."""


@dataclass(frozen=True, slots=True)
class Binding:
    """``digest`` is of the token. ``delivered_at`` is the first complete delivery, None before it. Unix seconds."""

    digest: bytes
    identity_key: str
    address: str
    entry: str
    bound_at: float
    expires_at: float
    delivered_at: float | None = None


class BindingStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def bind(self, binding: Binding) -> Binding:
        """Keep it unless this token is bound already; what it is bound to."""

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        """A whole configuration left; the first time counts."""

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        """Forget at most ``limit`` bindings whose tokens ended before; how many went."""
