"""The life of one device authorization (RFC 8628), from the machine's request to the delivered configuration.

    PENDING ──approve──▶ APPROVED ──redeem──▶ REDEEMED ──deliver──▶ DELIVERED
       │ ├────deny─────▶ DENIED     redeem again ┘     redeem, deliver again ┘
       │ │               (undeny: the machine may ask again)
       │ └────replace──▶ REPLACED   (the same machine asked again)
       └──────expire───▶ EXPIRED ◀──expire── APPROVED (the token was not fetched in time)

    APPROVED, REDEEMED, DELIVERED ──revoke──▶ REVOKED
    APPROVED, REDEEMED ──void──▶ VOID   (a person who approved lost the right to)

A person decides only about a PENDING grant that has not expired. One that needs two people stays PENDING after the
first approval and keeps it as a vote, until it is withdrawn. The token exchange and the delivery may be repeated,
because an answer can be lost and Talos then asks again with what it has. No transition leaves DENIED, REPLACED,
EXPIRED, REVOKED or VOID: a denial that is taken back lets the machine open another request.

The request that replaces another inherits its votes, if it is the same in everything that a person saw
(``following``). An approval that never led to a delivery is not inherited: ``not_delivered`` says what became of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from bootgrant.approval.decision import ONE_PERSON, Decision, Terms, VoidVote, WhyVoid
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import TRANSITIONS, GrantEvent, GrantState
from bootgrant.wire.identity import MachineIdentity

AGAIN_GRACE: Final = 60.0
"""Seconds in which a used code may come again: an answer was lost, or a second person scanned the same screen."""

REDEEM_GRACE: Final = 60.0
"""Seconds after expiry in which an approved code still yields its token: a restart may have delayed the answer."""

VOTE_LIFETIME: Final = 24 * 3600.0
"""Seconds after which a vote moves to no further request of the machine."""


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
    UNAVAILABLE = "unavailable"
    ENTRY_CHANGED = "entry changed"
    NOT_IN_BATCH = "not in batch"
    SAME_PERSON = "same person"
    NEEDS_PEOPLE = "needs people"
    NOT_ALLOWED = "not allowed"
    NOT_REFUSED = "not refused"


class CodeOver(Enum):
    """Why a code that is presented has no use any more."""

    REPLACED = "replaced"
    USED = "used"


class Elsewhere(NamedTuple):
    """The first use of a token at an address that is not the request's: where, when (Unix seconds), whether refused."""

    address: str
    at: float
    refused: bool


MOST_ELSEWHERE: Final = 8
"""Addresses that a grant keeps; of more, only the log and the deliveries know."""


class NotDelivered(StrEnum):
    """What became of an approval whose configuration was not delivered."""

    CODE_WAITING = "code waiting"
    CODE_EXPIRED = "code expired"
    TOKEN_WAITING = "token waiting"  # noqa: S105  (a state)
    TOKEN_EXPIRED = "token expired"  # noqa: S105  (a state)
    VOID = "void"


class DeviceGrant(NamedTuple):
    """One request of one machine. Times are Unix seconds; of codes and tokens only digests are kept.

    ``entry`` names the approved machine configuration; ``token_digest`` is empty until the first exchange. ``votes``
    are the approvals before the last one, where more than one is needed. ``fingerprint`` identifies the entry that
    votes and approval are for, ``approved_sha256`` and ``revision`` its configuration at that moment. ``elsewhere`` are
    the uses of its token at other addresses, in their order.

    ``replaced_by`` is the id of the machine's next request. ``void_votes`` are votes for the request before this one
    that were not inherited, and votes of people who lost the right to give them.
    ``void_reason`` is why the approval is void, one line for a person.
    ``undenied`` is who took a denial back, and when.
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
    elsewhere: tuple[Elsewhere, ...] = ()
    replaced_by: str = ""
    void_votes: tuple[VoidVote, ...] = ()
    void_reason: str = ""
    undenied: Decision | None = None

    @property
    def approvals(self) -> tuple[Decision, ...]:
        """The decisions of everybody who approved, oldest first; votes only while it waits for another person."""
        is_approval = self.decision is not None and self.state is not GrantState.DENIED
        return (*self.votes, self.decision) if is_approval and self.decision else self.votes

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

    def withdraw(self, is_withdrawn: Callable[[Decision], bool]) -> DeviceGrant | Refusal:
        """Remove votes, because they are undone. The machine keeps waiting."""
        if (self.state, GrantEvent.WITHDRAW) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        votes = tuple(vote for vote in self.votes if not is_withdrawn(vote))
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.WITHDRAW], votes=votes)

    def lose_votes(self, is_lost: Callable[[Decision], bool]) -> DeviceGrant | Refusal:
        """Void votes for good, because their people lost the right to give them. The machine keeps waiting."""
        outcome = self.withdraw(is_lost)
        if isinstance(outcome, Refusal):
            return outcome
        lost = [VoidVote(vote, WhyVoid.APPROVER) for vote in self.votes if is_lost(vote)]
        return outcome._replace(void_votes=(*self.void_votes, *lost))

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

    def used_elsewhere(self, use: Elsewhere) -> DeviceGrant:
        """Keep the use of its token at another address. A grant that has as many as it keeps stays as it is."""
        if len(self.elsewhere) >= MOST_ELSEWHERE:
            return self
        return self._replace(elsewhere=(*self.elsewhere, use))

    def replaced(self, by: str) -> DeviceGrant | Refusal:
        """Remove it from the queue, because the same machine has asked again: ``by`` is the id of that request."""
        if (self.state, GrantEvent.REPLACE) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.REPLACE], replaced_by=by)

    def following(self, earlier: DeviceGrant, fingerprint: str) -> DeviceGrant:
        """Return this new request with the votes for ``earlier``, the one that it replaces.

        ``fingerprint`` is that of the machine's entry now, empty when it could not be read: then the vote is inherited
        for the entry that it was for, and ``approve`` counts it only for that one.
        """
        votes, void = list(self.votes), list(self.void_votes)
        for vote in earlier.votes:
            carried = replace(vote, request=vote.request or earlier.grant_id)
            why = self._why_void(carried, earlier, fingerprint)
            if why is None:
                votes.append(carried)
            else:
                void.append(VoidVote(carried, why))
        kept = earlier.fingerprint if votes else self.fingerprint
        return self._replace(votes=tuple(votes), void_votes=tuple(void), fingerprint=kept)

    def _why_void(self, vote: Decision, earlier: DeviceGrant, fingerprint: str) -> WhyVoid | None:
        if (why := self.differs_from(earlier)) is not None:
            return why
        if fingerprint and fingerprint != earlier.fingerprint:
            return WhyVoid.ENTRY
        return WhyVoid.AGE if self.opened_at - vote.at >= VOTE_LIFETIME else None

    def differs_from(self, other: DeviceGrant) -> WhyVoid | None:
        """Return in what the machine of another request differs; None when both requests look the same to a person."""
        if other.identity != self.identity:
            return WhyVoid.IDENTITY
        if other.source_address != self.source_address:
            return WhyVoid.ADDRESS
        return WhyVoid.CLIENT if other.client_id != self.client_id else None

    def not_delivered(self, now: float) -> NotDelivered | None:
        """Return what became of an approval that was never delivered; None when there is no such approval."""
        match self.state:
            case GrantState.APPROVED:
                return (
                    NotDelivered.CODE_EXPIRED if self.state_at(now) is GrantState.EXPIRED else NotDelivered.CODE_WAITING
                )
            case GrantState.REDEEMED:
                return NotDelivered.TOKEN_WAITING if now < self.token_expires_at else NotDelivered.TOKEN_EXPIRED
            case GrantState.VOID:
                return NotDelivered.VOID
            case _:
                return None

    def void(self, reason: str, now: float) -> DeviceGrant | Refusal:
        """End an approval that was not delivered, with its token, because it no longer counts."""
        if (self.state, GrantEvent.VOID) not in TRANSITIONS:
            return Refusal.ALREADY_DECIDED
        return self._replace(state=TRANSITIONS[self.state, GrantEvent.VOID], revoked_at=now, void_reason=reason)

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
    GrantState.VOID: Refusal.EXPIRED,
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
