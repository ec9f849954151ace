"""The audit trail: each event is bound by SHA-256 to the one before it.

A record is one line of canonical JSON: keys sorted, no spaces, ASCII, no numbers but integers. It holds the digest of
the previous record (``previous``); its own digest is the SHA-256 of the line. Changing, removing or inserting a record
means recomputing every later digest; truncation is found by comparing with a digest that was noted elsewhere. No record
holds a code, a token, a password or a configuration.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.wire.identity import MachineIdentity

GENESIS: Final = "0" * 64
"""``previous`` of the first record."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOBODY: Final = MachineIdentity()


class AuditKind(StrEnum):
    """What happened. The values appear in records, filters and the export."""

    OPENED = "opened"
    STORM = "storm"
    VOTED = "voted"
    VOTE_WITHDRAWN = "vote-withdrawn"
    VOTE_MOVED = "vote-moved"
    VOIDED = "voided"
    APPROVED = "approved"
    DENIED = "denied"
    UNDENIED = "undenied"
    REVOKED = "revoked"
    CODE_AGAIN = "code-again"
    DELIVERED = "delivered"
    OTHER_ADDRESS = "other-address"
    MINTED = "minted"
    UNMINTED = "unminted"
    ASSIGNED = "assigned"
    UNASSIGNED = "unassigned"
    PREVIEW_REVEALED = "preview-revealed"
    ARMED = "armed"
    DISARMED = "disarmed"
    SIGNED_IN = "signed-in"
    SIGNED_OUT = "signed-out"
    SIGN_IN_REFUSED = "sign-in-refused"
    TOKEN_REFUSED = "token-refused"  # noqa: S105  (a kind of event)
    OPERATOR_CHANGED = "operator-changed"
    TOKEN_CHANGED = "token-changed"  # noqa: S105  (a kind of event)
    CONFIG_SNAPSHOT = "config-snapshot"
    CONFIG_ACCEPTED = "config-accepted"
    SEALED = "sealed"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """An event before it has a place in the chain; ``at`` is in Unix seconds, kept to the millisecond.

    ``actor`` is who did it ("ana", "rule spare"; empty for a machine), ``via`` how they signed in (Author.via).
    ``address`` is that of the machine or the person. ``digest`` is the SHA-256 of a configuration.
    """

    at: float
    kind: AuditKind
    actor: str = ""
    via: str = ""
    grant_id: str = ""
    identity: MachineIdentity = _NOBODY
    address: str = ""
    entry: str = ""
    revision: str = ""
    digest: str = ""
    reason: str = ""
    evidence: tuple[Check, ...] = ()
    details: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainedEvent:
    """An event with its place in the chain; ``seq`` begins at 1. ``digest`` is the SHA-256 of ``line``, its record."""

    seq: int
    event: AuditEvent
    line: str
    digest: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: number and digest of its last record."""

    seq: int = 0
    digest: str = GENESIS

    def __str__(self) -> str:
        return f"{self.seq}:{self.digest}"


def chain(events: Iterable[AuditEvent], head: Head) -> Iterator[ChainedEvent]:
    """Append events to a chain that ends at ``head``."""
    for event in events:
        line = _canonical({**_members(event), "seq": head.seq + 1, "previous": head.digest})
        digest = hashlib.sha256(line.encode("ascii")).hexdigest()
        head = Head(head.seq + 1, digest)
        yield ChainedEvent(head.seq, event, line, digest)


def read_record(line: str) -> ChainedEvent:
    """Parse a canonical record as ``chain`` made it. Raises ValueError for anything else."""
    members = json.loads(line)
    if not isinstance(members, dict):
        raise ValueError("a record is a JSON object")  # noqa: TRY004  (a file's content, not a programmer's type)
    try:
        event = AuditEvent(
            at=_read_time(members["at"]),
            kind=AuditKind(members["kind"]),
            actor=members.get("actor", ""),
            via=members.get("via", ""),
            grant_id=members.get("grant", ""),
            identity=MachineIdentity(**members.get("machine", {})),
            address=members.get("address", ""),
            entry=members.get("entry", ""),
            revision=members.get("revision", ""),
            digest=members.get("sha256", ""),
            reason=members.get("reason", ""),
            evidence=tuple(_read_check(check) for check in members.get("evidence", ())),
            details=members.get("details", {}),
        )
        return ChainedEvent(members["seq"], event, line, hashlib.sha256(line.encode("ascii")).hexdigest())
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an audit record: {error}") from error


def exported(line: str, digest: str) -> str:
    """Return a line of the export: the canonical record with its digest as ``hash``."""
    return _canonical({**json.loads(line), "hash": digest})


@dataclass(frozen=True, slots=True)
class Broken:
    """The first broken link of a chain, and what is wrong with it."""

    seq: int
    problem: str


_NOT_A_RECORD: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


_REPEATED: Final = 10_000
"""Records that are remembered to recognize repeated lines: several times what is sent again at once."""


class ChainCheck:
    """Follows a chain record by record. ``broken`` is the first broken link; records after it are not checked.

    A chain whose beginning was sealed begins later; a ``sealed`` event in it must name the last record before that.
    ``noted`` is a head that was written down earlier: the chain must contain it. ``start`` is the record that the first
    one must follow: then nothing before that is needed.

    Lines of a file may be there twice, because a sink sends some records again after a failure; ``repeats`` counts
    them.
    """

    def __init__(self, noted: Head | None = None, start: Head | None = None) -> None:
        self._noted = noted
        self._start = start
        self.head = start or Head()
        self.records = 0
        self.repeats = 0
        self._recent: dict[int, str] = {}
        self.broken: Broken | None = None
        self._before: Head | None = None
        self._sealed: set[Head] = set()

    def take_exported(self, line: str) -> None:
        """Check the next line of an exported file."""
        try:
            members = json.loads(line)
            digest = members.pop("hash")
            canonical = _canonical(members)
            if self._recent.get(members["seq"]) == digest == _digest(canonical):
                self.repeats += 1
                return
            self._take(members, canonical, digest)
            self._remember()
        except _NOT_A_RECORD:
            self._break(self.head.seq + 1, "this line is not an audit record")

    def take(self, line: str, digest: str) -> None:
        """Check the next record of a store."""
        try:
            self._take(json.loads(line), line, digest)
        except _NOT_A_RECORD:
            self._break(self.head.seq + 1, "this row is not an audit record")

    def finish(self) -> Broken | None:
        """Return the first broken link once all records were taken; None when the chain holds."""
        if self.broken is None and self._before is not None and self._before not in self._sealed:
            self._break(
                self._before.seq + 1, f"the records up to {self._before.seq} are missing and no seal names them"
            )
        if self._noted is not None and self._noted.seq > self.head.seq:
            self._break(self.head.seq + 1, f"the chain ends at {self.head.seq}, but it once reached {self._noted.seq}")
        return self.broken

    def _take(self, members: Mapping[str, Any], canonical: str, digest: object) -> None:
        seq, previous = members["seq"], members["previous"]
        sealed = members.get("details", {}) if members.get("kind") == AuditKind.SEALED else {}
        if self.broken is not None:
            return
        if not isinstance(seq, int) or not isinstance(previous, str):
            self._break(self.head.seq + 1, "this record lacks its number or its link")
            return
        if self.records == 0 and seq > 1 and self._start is None:
            self._before = self.head = Head(seq - 1, previous)
        if seq != self.head.seq + 1:
            self._break(self.head.seq + 1, f"{seq} follows {self.head.seq}: records are missing or out of order")
        elif previous != self.head.digest:
            self._break(seq, "its link does not match the previous record: one of the two was changed")
        elif _digest(canonical) != digest:
            self._break(seq, "its digest does not match its content: it was changed")
        elif self._noted is not None and seq == self._noted.seq and digest != self._noted.digest:
            self._break(seq, "its digest is not the one that was noted: the chain was rewritten")
        else:
            self.head = Head(seq, str(digest))
            self.records += 1
            if sealed:
                self._sealed.add(Head(int(sealed.get("through", 0)), str(sealed.get("digest", ""))))

    def _remember(self) -> None:
        self._recent[self.head.seq] = self.head.digest
        if len(self._recent) > _REPEATED:
            del self._recent[next(iter(self._recent))]

    def _break(self, seq: int, problem: str) -> None:
        if self.broken is None:
            self.broken = Broken(seq, problem)


def _members(event: AuditEvent) -> dict[str, Any]:
    members: dict[str, Any] = {
        "at": written_time(event.at),
        "kind": event.kind.value,
        "actor": event.actor,
        "via": event.via,
        "grant": event.grant_id,
        "machine": event.identity.given(),
        "address": event.address,
        "entry": event.entry,
        "revision": event.revision,
        "sha256": event.digest,
        "reason": event.reason,
        "evidence": _evidence(event.evidence),
        "details": dict(event.details),
    }
    return {name: value for name, value in members.items() if value}


def _evidence(checks: Sequence[Check]) -> list[dict[str, str]]:
    return [{"name": check.name, "verdict": check.verdict.value, "detail": check.detail} for check in checks]


def _read_check(members: Mapping[str, str]) -> Check:
    return Check(members["name"], Verdict(members["verdict"]), members["detail"])


def _canonical(members: Mapping[str, Any]) -> str:
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _digest(canonical: str) -> str:
    return hashlib.sha256(canonical.encode("ascii", "replace")).hexdigest()


def written_time(at: float) -> str:
    """Format a time like ``2026-11-24T03:10:02.123Z``."""
    return (_EPOCH + timedelta(milliseconds=round(at * 1000))).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _read_time(text: str) -> float:
    return (datetime.fromisoformat(text) - _EPOCH) / timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """A variable (uuid, serial or mac) that a machine reports otherwise than a machine did before."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """A configuration that was delivered: when (Unix seconds), to which address, which one, to which machine.

    ``identity`` shares at least one of uuid, serial and mac with the machine whose history this is.
    """

    at: float
    address: str
    entry: str
    sha256: str
    identity: MachineIdentity = _NOBODY

    def differences(self, identity: MachineIdentity) -> tuple[Difference, ...]:
        """Return the variables that ``identity`` contradicts. One that a side does not report contradicts nothing."""
        pairs = ((name, getattr(self.identity, name), getattr(identity, name)) for name in MachineIdentity.STRONG)
        return tuple(
            Difference(name, before, now)
            for name, before, now in pairs
            if MachineIdentity(**{name: before}).contradicts(MachineIdentity(**{name: now}))
        )


@dataclass(frozen=True, slots=True)
class Past:
    """A machine's history, newest first: requests as (time, address), deliveries, denials as (time, by, reason), and
    uses of its tokens at other addresses as (time, address, address of the request), and ``codes_again``
    codes that were presented again as (time, by, at which address); ``by`` is empty for a machine.

    A revoked approval counts as a denial, one that was taken back does not. The history goes back as far as the audit
    does, and includes other machines that claimed one of this machine's variables.
    """

    requests: tuple[tuple[float, str], ...] = ()
    deliveries: tuple[PastDelivery, ...] = ()
    denials: tuple[tuple[float, str, str], ...] = ()
    elsewhere: tuple[tuple[float, str, str], ...] = ()
    codes_again: tuple[tuple[float, str, str], ...] = ()

    @property
    def is_new(self) -> bool:
        return not (self.requests or self.deliveries or self.denials or self.elsewhere)

    def changed(self, identity: MachineIdentity) -> tuple[PastDelivery, tuple[Difference, ...]] | None:
        """Return the last delivery and how ``identity`` differs from the machine that got it; None if it does not."""
        differences = self.deliveries[0].differences(identity) if self.deliveries else ()
        return (self.deliveries[0], differences) if differences else None


def past_of(events: Iterable[AuditEvent], apart_from: str) -> Past:
    """Return the history in ``events`` (each kind newest first), without the request with the id ``apart_from``."""
    requests: list[tuple[float, str]] = []
    deliveries: list[PastDelivery] = []
    denials: list[tuple[float, str, str]] = []
    elsewhere: list[tuple[float, str, str]] = []
    codes_again: list[tuple[float, str, str]] = []
    events = list(events)
    undenied = {event.grant_id for event in events if event.kind is AuditKind.UNDENIED}
    for event in events:
        if event.grant_id == apart_from:
            continue
        if event.kind is AuditKind.OPENED:
            requests.append((event.at, event.address))
        elif event.kind is AuditKind.DELIVERED:
            deliveries.append(PastDelivery(event.at, event.address, event.entry, event.digest, event.identity))
        elif event.kind is AuditKind.OTHER_ADDRESS:
            elsewhere.append((event.at, event.address, str(event.details.get("requested_from", ""))))
        elif event.kind is AuditKind.CODE_AGAIN:
            codes_again.append((event.at, event.actor, event.address))
        elif event.kind is AuditKind.DENIED and event.grant_id not in undenied:
            denials.append((event.at, event.actor, event.reason))
        elif event.kind is AuditKind.REVOKED:
            denials.append((event.at, event.actor, "the approval was revoked"))
    return Past(tuple(requests), tuple(deliveries), tuple(denials), tuple(elsewhere), tuple(codes_again))
