"""Stores of requests and of what people decide about machines: grants, token bindings, assignments, armed windows.

A change is durable when its call returns. The pure rule of a step runs on the stored row inside the store's
compare-and-swap, so two servers, or two people, can never both win. There is no "get, then update".
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.approval.policy import Window
from bootgrant.ports.audit import AuditOf, EventsOf
from bootgrant.wire.identity import MachineIdentity

GrantRule = Callable[[DeviceGrant], DeviceGrant | Refusal]
AuditOfWindow = Callable[[Window], AuditEvent]
"""Makes the event of a closed window from the window as it was."""


DECISION_KEPT: Final = 24 * 3600.0
"""Seconds for which ``last_decision`` finds a decision."""


class UserCodeTaken(Exception):
    """Another live grant has the same user code."""


class StoreUnavailable(Exception):
    """The store cannot be read or written now. The message says why, without secrets.

    Nothing was changed, unless the message says that this is unknown because the connection was lost at that moment.
    """


class FolderInUse(StoreUnavailable):
    """Another process has the data folder: a server that runs, or one that is starting or stopping."""


@dataclass(frozen=True, slots=True)
class Census:
    """How many grants are pending, when the oldest of them was opened (Unix seconds), and how many are approved but not
    delivered yet."""

    pending: int
    oldest: float | None
    unfetched: int


class GrantStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def open_grant(
        self, grant: DeviceGrant, fingerprint: str = "", audit: EventsOf | None = None
    ) -> Sequence[str]:
        """Store a new grant. Raises UserCodeTaken.

        Pending grants with the same identity key from the same address are replaced in the same transaction. Their ids
        are returned, and their watchers are woken. The new grant inherits their votes (``DeviceGrant.following``);
        ``fingerprint`` is that of its entry. The events that ``audit`` makes of it as it is stored are appended to the
        audit in that transaction.
        """

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        """For polls: a pending grant may be some seconds old, as with ``find_watched``."""

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None: ...

    async def find_grant(self, grant_id: str) -> DeviceGrant | None: ...

    async def find_watched(self, grant_id: str) -> DeviceGrant | None:
        """Return a grant that the caller watches. It may still be reported as pending for a short time after it has
        changed; then the watch ends."""

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Return the grants that wait for a person, newest first."""

    async def pending_since(self, opened_after: float, now: float, limit: int) -> Sequence[DeviceGrant]:
        """Return those of them that were opened after ``opened_after``, newest first. Cheap when they are few."""

    async def census(self, now: float) -> Census:
        """Count for the metrics, without holding up anything else."""

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        """Return the newest grant that was denied after ``since`` and applies to this machine: one with the same
        identity key from any address, or one from ``address`` that shares a strong variable and contradicts none.
        Undenied ones do not count.

        From another address a part of the identity is not enough: a claim is not proof, and nobody may silence others.
        """

    async def last_decision(self, identity: MachineIdentity, since: float) -> DeviceGrant | None:
        """Return the grant with this identity key, from any address, that was decided last, if that was after
        ``since``: at most DECISION_KEPT ago."""

    async def undelivered(self, now: float) -> Sequence[DeviceGrant]:
        """Return the approved grants whose configuration was not delivered and can still be fetched."""

    async def denials(self, since: float, limit: int) -> Sequence[DeviceGrant]:
        """Return the grants that were denied after ``since`` and not undenied, the newest denial first."""

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        """Return the pending grants that share a strong variable (uuid, serial or mac) with ``identity``."""

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None, audit: AuditOf | None = None
    ) -> DeviceGrant | Refusal:
        """Apply ``rule`` to the stored grant; a Refusal changes nothing. An unknown id is Refusal.UNKNOWN.

        When the rule changed the grant, ``delivery`` is stored with it and the event that ``audit`` returns is appended
        to the audit, in the same transaction.
        """

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        """Return the complete deliveries of a grant, oldest first."""

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        """Delete at most ``limit`` ended grants with their deliveries; return how many.

        Grants that never had a token go when they expired before ``unfetched_before``, the others when their token
        expired before ``fetched_before``.
        """

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        """Return a future that is done when the grant changes. Taken before the grant is read, it misses no change."""

    async def check_writable(self) -> None:
        """Return after a write was made durable."""


@dataclass(frozen=True, slots=True)
class Binding:
    """The machine that uses a token of an outside provider; ``digest`` is the token's. Times are Unix seconds.

    ``delivered_at`` is the time of the first complete delivery, None before it.
    """

    digest: bytes
    identity_key: str
    address: str
    entry: str
    bound_at: float
    expires_at: float
    delivered_at: float | None = None


class BindingStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def bind(self, binding: Binding) -> Binding:
        """Store the binding unless the token has one; return the token's binding."""

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        """Store the time of the first complete delivery; later ones change nothing."""

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        """Delete at most ``limit`` bindings of tokens that expired before ``expired_before``; return how many."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The entry that a person assigned to the machine with this identity. ``by`` is for display, ``at`` Unix time."""

    identity: MachineIdentity
    entry: str
    by: str
    at: float


class AssignmentStore(Protocol):
    """Every method may raise StoreUnavailable."""

    async def put(self, assignment: Assignment) -> None:
        """Store it in place of an earlier one for the same identity key."""

    async def sharing(self, identity: MachineIdentity) -> Sequence[Assignment]:
        """Return those that share a uuid, serial or mac with ``identity``, newest first."""

    async def remove(self, identity_key: str) -> bool:
        """Delete the assignment of this identity key; return whether there was one."""

    async def assignments(self) -> Sequence[Assignment]:
        """Return all of them, newest first."""


class WindowStore(Protocol):
    """Every method may raise StoreUnavailable. An event is appended to the audit in the transaction of its change."""

    async def arm(self, window: Window, audit: AuditEvent | None = None) -> None:
        """Store a new window."""

    async def disarm(self, window_id: str, audit: AuditOfWindow | None = None) -> bool:
        """Delete a window; return whether there was one."""

    async def windows(self) -> Sequence[Window]:
        """Return all stored windows, oldest first, including those that have ended or are used up."""

    async def take_place(self, window_id: str, now: float) -> bool:
        """Use one place of the window if it is open and has one left: never more than its count, over all servers."""

    async def give_back(self, window_id: str) -> None:
        """Return a place that was taken but not used."""

    async def forget_before(self, until: float) -> None:
        """Delete the windows that ended before ``until`` (Unix seconds)."""
