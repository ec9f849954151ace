"""The life of one device authorization (RFC 8628), from the machine's request to the delivered configuration.

    PENDING ──approve──▶ APPROVED ──redeem──▶ REDEEMED ──deliver──▶ DELIVERED
       │ ├────deny─────▶ DENIED     redeem again ┘     redeem, deliver again ┘
       │ └────replace──▶ REPLACED   (the same machine asked anew)
       └──────expire───▶ EXPIRED ◀──expire── APPROVED (nobody came for the token)

    APPROVED, REDEEMED, DELIVERED ──revoke──▶ REVOKED

A person decides only what is PENDING and not past its time. The token's exchange and the delivery repeat, because
an answer can be lost on the wire and Talos asks again with what it has. Nothing leaves DENIED, REPLACED, EXPIRED
or REVOKED.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from bootgrant.wire.identity import MachineIdentity

REDEEM_GRACE: Final = 60.0
"""Seconds past its end in which an approved code still gives its token: the answer may have crossed a restart."""


class GrantState(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REVOKED = "revoked"
    REDEEMED = "redeemed"
    DELIVERED = "delivered"


class GrantEvent(StrEnum):
    APPROVE = "approve"
    DENY = "deny"
    REPLACE = "replace"
    REVOKE = "revoke"
    EXPIRE = "expire"
    REDEEM = "redeem"
    DELIVER = "deliver"


TRANSITIONS: Final[dict[tuple[GrantState, GrantEvent], GrantState]] = {
    (GrantState.PENDING, GrantEvent.APPROVE): GrantState.APPROVED,
    (GrantState.PENDING, GrantEvent.DENY): GrantState.DENIED,
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
}


class Refusal(Enum):
    """Why a step was not taken. A value, not a fault: the caller answers it to whoever asked."""

    UNKNOWN = "unknown"
    EXPIRED = "expired"
    DENIED = "denied"
    PENDING = "pending"
    ALREADY_DECIDED = "already decided"
    WRONG_CLIENT = "wrong client"
    NO_ENTRY = "no entry"


@dataclass(frozen=True, slots=True)
class GrantRules:
    """The site's times for a grant, in seconds (``[grants]`` of ``bootgrant.toml``)."""

    lifetime: float = 600.0
    interval: float = 1.0
    hold: float = 25.0
    token_lifetime: float = 4 * 3600.0
    delivery_grace: float = 15 * 60.0
    denial_cooldown: float = 10 * 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person (or the admin socket) said, when, and with which reason."""

    by: str
    at: float
    reason: str = ""


class DeviceGrant(NamedTuple):
    """One request of one machine. Times are Unix seconds; digests are all that is kept of codes and tokens.

    ``entry`` names the machine configuration that was approved; ``token_digest`` is empty until the first exchange.
    """

    grant_id: str
    client_id: str
    identity: MachineIdentity
    source_address: str
    user_code_digest: bytes
    device_code_digest: bytes
    token_salt: bytes
    opened_at: float
    expires_at: float
    state: GrantState = GrantState.PENDING
    decision: Decision | None = None
    entry: str = ""
    token_digest: bytes = b""
    token_expires_at: float = 0.0
    delivered_at: float | None = None
    deliveries: int = 0
    revoked_at: float | None = None

    def state_at(self, now: float) -> GrantState:
        """The state with the clock taken into account: what nobody decided or fetched in time is expired."""
        end = self.expires_at + (REDEEM_GRACE if self.state is GrantState.APPROVED else 0.0)
        if now >= end and (self.state, GrantEvent.EXPIRE) in TRANSITIONS:
            return GrantState.EXPIRED
        return self.state

    def approve(self, decision: Decision, entry: str) -> DeviceGrant | Refusal:
        """Let the machine in, to the one configuration named ``entry``."""
        outcome = self._decide(GrantEvent.APPROVE, decision, entry)
        return outcome if entry or isinstance(outcome, Refusal) else Refusal.NO_ENTRY

    def deny(self, decision: Decision) -> DeviceGrant | Refusal:
        """Refuse the machine; its console is told."""
        return self._decide(GrantEvent.DENY, decision, "")

    def _decide(self, event: GrantEvent, decision: Decision, entry: str) -> DeviceGrant | Refusal:
        state = self.state_at(decision.at)
        if state is GrantState.EXPIRED:
            return Refusal.EXPIRED
        if (state, event) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[state, event], decision=decision, entry=entry)

    def redeem(self, client_id: str, token_digest: bytes, rules: GrantRules, now: float) -> DeviceGrant | Refusal:
        """Exchange the device code for the token (RFC 8628 section 3.4). Repeats give the same token and end."""
        if client_id != self.client_id:
            return Refusal.WRONG_CLIENT
        state = self.state_at(now)
        match state:
            case GrantState.PENDING:
                return Refusal.PENDING
            case GrantState.DENIED | GrantState.REVOKED:
                return Refusal.DENIED
            case GrantState.EXPIRED | GrantState.REPLACED:
                return Refusal.EXPIRED
            case GrantState.REDEEMED | GrantState.DELIVERED:
                return self if now < self.token_ends_at(rules) else Refusal.EXPIRED
            case GrantState.APPROVED:
                return self._replace(
                    state=TRANSITIONS[state, GrantEvent.REDEEM],
                    token_digest=token_digest,
                    token_expires_at=now + rules.token_lifetime,
                )

    def token_ends_at(self, rules: GrantRules) -> float:
        """When the token serves no more: at its end, or a grace after the first complete delivery."""
        if self.delivered_at is None:
            return self.token_expires_at
        return min(self.token_expires_at, self.delivered_at + rules.delivery_grace)

    def deliver(self, rules: GrantRules, now: float) -> DeviceGrant | Refusal:
        """Record one complete delivery of the configuration."""
        if (self.state, GrantEvent.DELIVER) not in TRANSITIONS:
            return Refusal.UNKNOWN
        if self.token_ends_at(rules) <= now:
            return Refusal.EXPIRED
        return self._replace(
            state=TRANSITIONS[self.state, GrantEvent.DELIVER],
            delivered_at=now if self.delivered_at is None else self.delivered_at,
            deliveries=self.deliveries + 1,
        )

    def replaced(self) -> DeviceGrant | Refusal:
        """Take it out of the queue, because the same machine asked anew."""
        if (self.state, GrantEvent.REPLACE) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.REPLACE])

    def revoke(self, now: float) -> DeviceGrant | Refusal:
        """End the approval and its token (RFC 7009). A revoked one stays as it is."""
        if self.state is GrantState.REVOKED:
            return self
        if (self.state, GrantEvent.REVOKE) not in TRANSITIONS:
            return Refusal.UNKNOWN
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.REVOKE], revoked_at=now)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One complete delivery: when (Unix seconds), to which address, what (SHA-256 of the configuration, its bytes)."""

    at: float
    address: str
    sha256: str
    size: int
