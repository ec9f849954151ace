"""The life of one device authorization (RFC 8628), from the machine's request to the delivered configuration.

    PENDING ──approve──▶ APPROVED ──redeem──▶ REDEEMED ──deliver──▶ DELIVERED
       │ ├────deny─────▶ DENIED     redeem again ┘     redeem, deliver again ┘
       │ └────replace──▶ REPLACED   (the same machine asked anew)
       └──────expire───▶ EXPIRED ◀──expire── APPROVED (nobody came for the token)

    APPROVED, REDEEMED, DELIVERED ──revoke──▶ REVOKED

A person decides only what is PENDING and not past its time. What needs two people stays PENDING after the first
one's approval, with their vote. The token's exchange and the delivery repeat, because an answer can be lost on the wire
and Talos asks again with what it has. Nothing leaves DENIED, REPLACED, EXPIRED or REVOKED.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple
from unicodedata import normalize

from bootgrant.approval.operators import VIA_ADMIN_SOCKET
from bootgrant.wire.identity import MachineIdentity

REDEEM_GRACE: Final = 60.0
"""Seconds past its end in which an approved code still gives its token: the answer may have crossed a restart."""

VIA_RULE: Final = "rule"
"""How a decision came that no person took."""


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
    VOTE = "vote"
    APPROVE = "approve"
    DENY = "deny"
    REPLACE = "replace"
    REVOKE = "revoke"
    EXPIRE = "expire"
    REDEEM = "redeem"
    DELIVER = "deliver"


TRANSITIONS: Final[dict[tuple[GrantState, GrantEvent], GrantState]] = {
    (GrantState.PENDING, GrantEvent.VOTE): GrantState.PENDING,
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
    NO_CONFIG = "no config"
    ENTRY_CHANGED = "entry changed"
    SAME_PERSON = "same person"
    NEEDS_PEOPLE = "needs people"
    NOT_ALLOWED = "not allowed"


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
    """What somebody said, when, and with which reason. ``by`` is for people to read: "root (admin.sock)", "rule spare".

    ``name`` and ``via`` are the actor's (approval/operators.py): who it was, whichever way they came. A rule or an
    armed window decides ``via`` VIA_RULE.
    """

    by: str
    at: float
    reason: str = ""
    name: str = ""
    via: str = ""

    @property
    def is_automatic(self) -> bool:
        return self.via == VIA_RULE

    def is_by_same_person(self, other: Decision) -> bool:
        """Whether two decisions may be one person's: names are compared without case, whatever way they came.

        Who stands behind the admin socket is not known: all of its decisions count as one person's.
        """
        return self._person == other._person or self.via == other.via == VIA_ADMIN_SOCKET

    @property
    def _person(self) -> str:
        return normalize("NFKC", normalize("NFKC", self.name or self.by).casefold()).strip()


class Terms(NamedTuple):
    """What an approval is for: how many people it needs, and the entry and configuration as they are now.

    ``fingerprint`` and ``revision`` are the entry's (ports/configurations.py), ``sha256`` is the configuration's.
    """

    needed: int = 1
    fingerprint: str = ""
    sha256: str = ""
    revision: str = ""


ALONE: Final = Terms()


class DeviceGrant(NamedTuple):
    """One request of one machine. Times are Unix seconds; digests are all that is kept of codes and tokens.

    ``entry`` names the machine configuration that was approved; ``token_digest`` is empty until the first exchange.
    ``votes`` are the approvals before the last one, where more than one is needed; ``fingerprint`` says for which
    entry they and the approval are, ``approved_sha256`` and ``revision`` which configuration that was then.
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
    votes: tuple[Decision, ...] = ()
    fingerprint: str = ""
    approved_sha256: str = ""
    revision: str = ""

    def state_at(self, now: float) -> GrantState:
        """The state with the clock taken into account: what nobody decided or fetched in time is expired."""
        end = self.expires_at + (REDEEM_GRACE if self.state is GrantState.APPROVED else 0.0)
        if now >= end and (self.state, GrantEvent.EXPIRE) in TRANSITIONS:
            return GrantState.EXPIRED
        return self.state

    def approve(self, decision: Decision, entry: str, terms: Terms = ALONE) -> DeviceGrant | Refusal:
        """Let the machine in, to the one configuration named ``entry``; or note a vote, when ``terms`` need more.

        Votes for an entry that has changed since do not count: they were for something else.
        """
        outcome = self._decide(GrantEvent.APPROVE, decision, entry)
        if isinstance(outcome, Refusal):
            return outcome
        if not entry:
            return Refusal.NO_ENTRY
        if decision.is_automatic and (terms.needed > 1 or self.votes):
            return Refusal.NEEDS_PEOPLE
        votes = self.votes_for(terms.fingerprint)
        if any(vote.is_by_same_person(decision) for vote in votes):
            return Refusal.SAME_PERSON
        if len(votes) + 1 < terms.needed:
            state = TRANSITIONS[self.state, GrantEvent.VOTE]
            return self._replace(state=state, votes=(*votes, decision), fingerprint=terms.fingerprint)
        return outcome._replace(
            votes=votes, fingerprint=terms.fingerprint, approved_sha256=terms.sha256, revision=terms.revision
        )

    def votes_for(self, fingerprint: str) -> tuple[Decision, ...]:
        """The votes for the entry with this fingerprint: those for what it was before do not count."""
        return self.votes if self.fingerprint == fingerprint else ()

    def with_votes_that(self, counts: Callable[[Decision], bool]) -> DeviceGrant:
        """The grant without the votes that do not count any more."""
        return self._replace(votes=tuple(vote for vote in self.votes if counts(vote)))

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
