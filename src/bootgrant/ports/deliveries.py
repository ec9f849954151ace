"""The store of what was delivered last for each entry, next to the audit, from which old records are sealed away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bootgrant.wire.identity import MachineIdentity


@dataclass(frozen=True, slots=True)
class LastDelivery:
    """The last delivery of an entry: when (Unix seconds), to which address, to which machine.

    ``seq`` is the number of its audit record. ``grant_id`` is empty for a token of an outside provider. ``digest`` is
    the SHA-256 of the delivered bytes. ``made`` names the values in them that were made for this delivery.
    """

    entry: str
    seq: int
    at: float
    address: str
    identity: MachineIdentity
    grant_id: str = ""
    revision: str = ""
    digest: str = ""
    made: str = ""


class NoPreview(StrEnum):
    """Why there is no preview of what was delivered."""

    PENDING = "pending"
    """It is being made."""
    OLDER = "older"
    """A version of bootgrant that kept none has delivered it."""
    CHANGED = "changed"
    """The configurations changed before it was made."""
    FAILED = "failed"
    """The configuration could not be shown."""
    LARGE = "large"


class DeliveryStore(Protocol):
    """A delivery is stored in the transaction that appends its record to the audit (``AuditKind.DELIVERED``).

    Every method may raise StoreUnavailable (ports.grants).
    """

    async def last_deliveries(self) -> Sequence[LastDelivery]:
        """Return the last delivery of every entry that ever had one."""

    async def last_delivery(self, entry: str) -> LastDelivery | None: ...

    async def preview_of(self, delivery: LastDelivery) -> str | NoPreview:
        """Return the configuration as people may see it, as it was delivered, or why there is none."""

    async def without_preview(self, limit: int) -> Sequence[LastDelivery]:
        """Return the deliveries whose preview is pending, oldest first."""

    async def keep_preview(self, delivery: LastDelivery, preview: str | NoPreview) -> None:
        """Store the preview of a delivery, unless the entry was delivered again since."""
