"""The life cycle of a request as a table: which step leads from which state to which
(bootgrant.approval.grant shows it as a diagram).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class GrantState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REVOKED = "revoked"
    VOID = "void"
    REDEEMED = "redeemed"
    DELIVERED = "delivered"


class GrantEvent(StrEnum):
    VOTE = "vote"
    WITHDRAW = "withdraw a vote"
    APPROVE = "approve"
    DENY = "deny"
    UNDENY = "undeny"
    REPLACE = "replace"
    REVOKE = "revoke"
    VOID = "void"
    EXPIRE = "expire"
    REDEEM = "redeem"
    DELIVER = "deliver"


TRANSITIONS: Final[dict[tuple[GrantState, GrantEvent], GrantState]] = {
    (GrantState.PENDING, GrantEvent.VOTE): GrantState.PENDING,
    (GrantState.PENDING, GrantEvent.WITHDRAW): GrantState.PENDING,
    (GrantState.PENDING, GrantEvent.APPROVE): GrantState.APPROVED,
    (GrantState.PENDING, GrantEvent.DENY): GrantState.DENIED,
    (GrantState.DENIED, GrantEvent.UNDENY): GrantState.DENIED,
    (GrantState.PENDING, GrantEvent.REPLACE): GrantState.REPLACED,
    (GrantState.PENDING, GrantEvent.EXPIRE): GrantState.EXPIRED,
    (GrantState.APPROVED, GrantEvent.EXPIRE): GrantState.EXPIRED,
    (GrantState.APPROVED, GrantEvent.REDEEM): GrantState.REDEEMED,
    (GrantState.REDEEMED, GrantEvent.REDEEM): GrantState.REDEEMED,
    (GrantState.REDEEMED, GrantEvent.DELIVER): GrantState.DELIVERED,
    (GrantState.DELIVERED, GrantEvent.REDEEM): GrantState.DELIVERED,
    (GrantState.DELIVERED, GrantEvent.DELIVER): GrantState.DELIVERED,
    (GrantState.APPROVED, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.REDEEMED, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.DELIVERED, GrantEvent.REVOKE): GrantState.REVOKED,
    (GrantState.APPROVED, GrantEvent.VOID): GrantState.VOID,
    (GrantState.REDEEMED, GrantEvent.VOID): GrantState.VOID,
}


UNDELIVERED: Final = frozenset(state for state, event in TRANSITIONS if event is GrantEvent.VOID)
"""The states of an approval whose configuration was not delivered."""
