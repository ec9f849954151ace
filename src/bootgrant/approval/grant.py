"""The life of one device authorization (RFC 8628), from the machine's request to the delivered configuration.

    PENDING ──approve──▶ APPROVED ──redeem──▶ REDEEMED ──deliver──▶ DELIVERED
       │ ├────deny─────▶ DENIED     redeem again ┘     redeem, deliver again ┘
       │ │               (undeny: the machine may ask again)
       │ └────replace──▶ REPLACED   (the same machine asked again)
       └──────expire───▶ EXPIRED ◀──expire── APPROVED (the token was not fetched in time)

    APPROVED, REDEEMED, DELIVERED ──revoke──▶ REVOKED

A person decides only about a PENDING grant that has not expired. One that needs two people stays PENDING after the
first approval and keeps it as a vote. The token exchange and the delivery may be repeated, because an answer can be
lost and Talos then asks again with what it has. No transition leaves DENIED, REPLACED, EXPIRED or REVOKED: a denial
that is taken back lets the machine open another request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from bootgrant.approval.operators import Author
from bootgrant.wire.identity import MachineIdentity

AGAIN_GRACE: Final = 60.0
"""Seconds in which a used code may come again: an answer was lost, or a second person scanned the same screen."""

REDEEM_GRACE: Final = 60.0
"""Seconds after expiry in which an approved code still yields its token: a restart may have delayed the answer."""


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
    UNDENY = "undeny"
    REPLACE = "replace"
    REVOKE = "revoke"
    EXPIRE = "expire"
    REDEEM = "redeem"
    DELIVER = "deliver"


TRANSITIONS: Final[dict[tuple[GrantState, GrantEvent], GrantState]] = {
    (GrantState.PENDING, GrantEvent.VOTE): GrantState.PENDING,
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
}


class Refusal(Enum):
    """Why a step was not taken: a value, which the caller turns into an answer."""

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
    NOT_REFUSED = "not refused"


class CodeOver(Enum):
    """Why a code that is presented has no use any more."""

    REPLACED = "replaced"
    USED = "used"


@dataclass(frozen=True, slots=True)
class GrantRules:
    """The site's durations for a grant, in seconds (``[grants]`` of ``bootgrant.toml``)."""

    lifetime: float = 600.0
    interval: float = 1.0
    hold: float = 25.0
    token_lifetime: float = 4 * 3600.0
    delivery_grace: float = 15 * 60.0
    denial_cooldown: float = 10 * 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """An approval, a vote or a denial: by whom, when (Unix seconds), and the reason given for a denial."""

    author: Author
    at: float
    reason: str = ""

    @property
    def by(self) -> str:
        """The author as people read it: "root (admin.sock)", "rule spare"."""
        return str(self.author)


class Terms(NamedTuple):
    """What an approval is for: the number of people it needs, and the entry and configuration as they are now.

    ``fingerprint`` and ``revision`` are those of the entry (ports/configurations.py), ``sha256`` that of the
    configuration.
    """

    needed: int = 1
    fingerprint: str = ""
    sha256: str = ""
    revision: str = ""


ONE_PERSON: Final = Terms()


class DeviceGrant(NamedTuple):
    """One request of one machine. Times are Unix seconds; of codes and tokens only digests are kept.

    ``entry`` names the approved machine configuration; ``token_digest`` is empty until the first exchange. ``votes``
    are the approvals before the last one, where more than one is needed. ``fingerprint`` identifies the entry that
    votes and approval are for, ``approved_sha256`` and ``revision`` its configuration at that moment. ``undenied`` is
    who took a denial back, and when.
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
    undenied: Decision | None = None

    def state_at(self, now: float) -> GrantState:
        """Return the state at ``now``: a grant that was not decided or fetched in time is expired."""
        end = self.expires_at + (REDEEM_GRACE if self.state is GrantState.APPROVED else 0.0)
        if now >= end and (self.state, GrantEvent.EXPIRE) in TRANSITIONS:
            return GrantState.EXPIRED
        return self.state

    def approve(self, decision: Decision, entry: str, terms: Terms = ONE_PERSON) -> DeviceGrant | Refusal:
        """Approve the machine for the configuration named ``entry``, or keep a vote when ``terms`` need more people.

        Votes for an entry that has changed since do not count: they were for something else.
        """
        outcome = self._decide(GrantEvent.APPROVE, decision, entry)
        if isinstance(outcome, Refusal):
            return outcome
        if not entry:
            return Refusal.NO_ENTRY
        if decision.author.is_automatic and (terms.needed > 1 or self.votes):
            return Refusal.NEEDS_PEOPLE
        votes = self.votes_for(terms.fingerprint)
        if any(vote.author.is_same_person(decision.author) for vote in votes):
            return Refusal.SAME_PERSON
        if len(votes) + 1 < terms.needed:
            state = TRANSITIONS[self.state, GrantEvent.VOTE]
            return self._replace(state=state, votes=(*votes, decision), fingerprint=terms.fingerprint)
        return outcome._replace(
            votes=votes, fingerprint=terms.fingerprint, approved_sha256=terms.sha256, revision=terms.revision
        )

    def votes_for(self, fingerprint: str) -> tuple[Decision, ...]:
        """Return the votes for the entry with this fingerprint; votes for an earlier version of it do not count."""
        return self.votes if self.fingerprint == fingerprint else ()

    def with_votes_that(self, counts: Callable[[Decision], bool]) -> DeviceGrant:
        """Return the grant without the votes that no longer count."""
        return self._replace(votes=tuple(vote for vote in self.votes if counts(vote)))

    def deny(self, decision: Decision) -> DeviceGrant | Refusal:
        """Deny the machine; its console shows the reason."""
        return self._decide(GrantEvent.DENY, decision, "")

    def refused_until(self, rules: GrantRules) -> float | None:
        """Return when the machine may ask again after this denial. None if it was not denied, or is not refused."""
        if self.state is not GrantState.DENIED or self.decision is None or self.undenied is not None:
            return None
        return self.decision.at + rules.denial_cooldown

    def refused_for(self, rules: GrantRules, now: float) -> float:
        """Return for how many seconds the machine is still refused; 0.0 if it may ask.

        A denial from the far future was made by a clock that was wrong: it must not hold for a year.
        """
        until = self.refused_until(rules)
        left = 0.0 if until is None else until - now
        return left if 0 < left < 2 * rules.denial_cooldown else 0.0

    def undeny(self, decision: Decision, rules: GrantRules) -> DeviceGrant | Refusal:
        """Take the denial back: the machine may ask again at once."""
        if self.refused_for(rules, decision.at) <= 0:
            return Refusal.NOT_REFUSED
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.UNDENY], undenied=decision)

    def device_code_over(self, rules: GrantRules, now: float, *, is_elsewhere: bool) -> CodeOver | None:
        """Return why a token request with this device code is strange; None if a machine may well send it.

        ``is_elsewhere``: it comes from another network than the request did.
        """
        match self.state:
            case GrantState.REPLACED:
                return CodeOver.REPLACED
            case GrantState.REDEEMED:
                is_late = now - (self.token_expires_at - rules.token_lifetime) > AGAIN_GRACE
                return CodeOver.USED if is_late or is_elsewhere else None
            case GrantState.DELIVERED:
                return CodeOver.USED
            case GrantState.REVOKED:
                return CodeOver.USED if self.token_digest else None
            case _:
                return None

    def user_code_over(self, now: float) -> CodeOver | None:
        """Return why it is strange that a person presents this user code; None if they may well do so."""
        if self.state is GrantState.REPLACED:
            return CodeOver.REPLACED
        is_used = self.state in _USED and self.decision is not None and now - self.decision.at > AGAIN_GRACE
        return CodeOver.USED if is_used else None

    def _decide(self, event: GrantEvent, decision: Decision, entry: str) -> DeviceGrant | Refusal:
        state = self.state_at(decision.at)
        if state is GrantState.EXPIRED:
            return Refusal.EXPIRED
        if (state, event) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[state, event], decision=decision, entry=entry)

    def redeem(self, client_id: str, token_digest: bytes, rules: GrantRules, now: float) -> DeviceGrant | Refusal:
        """Exchange the device code for the token (RFC 8628 section 3.4). A repeat yields the same token and expiry."""
        if client_id != self.client_id:
            return Refusal.WRONG_CLIENT
        state = self.state_at(now)
        after = TRANSITIONS.get((state, GrantEvent.REDEEM))
        if after is None:
            return _NO_TOKEN[state]
        if state is not GrantState.APPROVED:
            return self if now < self.token_ends_at(rules) else Refusal.EXPIRED
        return self._replace(state=after, token_digest=token_digest, token_expires_at=now + rules.token_lifetime)

    def token_ends_at(self, rules: GrantRules) -> float:
        """Return when the token stops working: when it expires, or a grace period after the first full delivery."""
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
        """Remove it from the queue, because the same machine has asked again."""
        if (self.state, GrantEvent.REPLACE) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.REPLACE])

    def revoke(self, now: float) -> DeviceGrant | Refusal:
        """Revoke the approval and its token (RFC 7009). A revoked grant stays as it is."""
        if self.state is GrantState.REVOKED:
            return self
        if (self.state, GrantEvent.REVOKE) not in TRANSITIONS:
            return Refusal.UNKNOWN
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.REVOKE], revoked_at=now)


_USED: Final = frozenset({GrantState.APPROVED, GrantState.REDEEMED, GrantState.DELIVERED, GrantState.REVOKED})
"""The states of a grant whose user code has served its purpose."""

_NO_TOKEN: Final = {
    GrantState.PENDING: Refusal.PENDING,
    GrantState.DENIED: Refusal.DENIED,
    GrantState.REVOKED: Refusal.DENIED,
    GrantState.EXPIRED: Refusal.EXPIRED,
    GrantState.REPLACED: Refusal.EXPIRED,
}
"""Why a grant in a state without the event REDEEM yields no token."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One complete delivery: when (Unix seconds), to which address, the configuration's SHA-256 and size in bytes."""

    at: float
    address: str
    sha256: str
    size: int
