"""What became of earlier approvals of a machine, in words: for its card, the queue, the API and the notifications."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from bootgrant.approval.decision import WhyVoid
from bootgrant.approval.grant import DeviceGrant, NotDelivered
from bootgrant.ports.grants import DECISION_KEPT
from bootgrant.wire.identity import MachineIdentity

WHY_VOID: Final = {
    WhyVoid.CLIENT: "the machine asks as another OAuth client",
    WhyVoid.IDENTITY: "the machine reports other values",
    WhyVoid.ADDRESS: "that request came from another address",
    WhyVoid.ENTRY: "the entry of this machine has changed",
    WhyVoid.APPROVER: "this person, or their token, lost the right to approve this machine",
    WhyVoid.AGE: "it is older than a day",
}
"""Why a vote does not count, as the end of a sentence."""

_BECAUSE: Final = {
    NotDelivered.CODE_WAITING: "the machine lost its code",
    NotDelivered.CODE_EXPIRED: "the machine did not come back before its code expired",
    NotDelivered.TOKEN_WAITING: "the machine lost its token before the download was complete",
    NotDelivered.TOKEN_EXPIRED: "the machine did not complete the download before its token expired",
}


class _Decisions(Protocol):
    """The part of ports.grants.GrantStore that is needed here."""

    async def last_decision(self, identity: MachineIdentity, since: float) -> DeviceGrant | None: ...


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The last decision about a machine that has asked again: an approval that was never delivered.

    ``is_here``: that request looked the same in everything that a person sees. If not, the two may be two machines.
    """

    grant: DeviceGrant
    what: NotDelivered
    is_here: bool
    ago: float

    @property
    def by(self) -> str:
        """Everybody who approved."""
        return " and ".join(decision.by for decision in self.grant.approvals)

    @property
    def message(self) -> str:
        """One or two sentences for the person who decides about the machine now."""
        approved = f"Approved by {self.by} {spoken(self.ago)} ago"
        if not self.is_here:
            return (
                f"{self.by} approved another request with this identity, from {self.grant.source_address}, "
                f"{spoken(self.ago)} ago. It was never delivered. It may be another machine: compare the two."
            )
        if self.what is NotDelivered.VOID:
            return f"{approved}, but that approval is void: {self.grant.void_reason}. Approve again."
        return f"{approved}, but never delivered: {_BECAUSE[self.what]}. Approve again."


async def undelivered_approval(store: _Decisions, grant: DeviceGrant, now: float) -> Undelivered | None:
    """Return the last decision about the machine of a pending request, if it was an approval that never led to a
    delivery. Only a request with the same identity counts. Raises StoreUnavailable.
    """
    last = await store.last_decision(grant.identity, now - DECISION_KEPT)
    what = None if last is None else last.not_delivered(now)
    if last is None or what is None or last.decision is None:
        return None
    return Undelivered(last, what, grant.differs_from(last) is None, now - last.decision.at)


def spoken(seconds: float) -> str:
    """Return a duration as ``17 s``, ``9 min`` or ``2 h``."""
    whole = max(0, round(seconds))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 2 * 3600 else f"{whole // 3600} h"
