"""What a server has seen of its database, kept outside it, and whether a database is older than that.

``Seen`` is what a server writes to a file after each commit that takes rights away. A database that lacks the record
at ``Seen.head`` was replaced by an older copy of itself: a denial, or the revocation of a token, may be missing from
it. An admin then accepts it as it is, and the next epoch begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bootgrant.approval.audit import AuditKind, ChainedEvent, Head
from bootgrant.wire.identity import MachineIdentity

TAKES_AWAY: Final = frozenset(
    {
        AuditKind.DENIED,
        AuditKind.UNDENIED,
        AuditKind.REVOKED,
        AuditKind.VOIDED,
        AuditKind.VOTE_WITHDRAWN,
        AuditKind.OPERATOR_CHANGED,
        AuditKind.TOKEN_CHANGED,
        AuditKind.DISARMED,
        AuditKind.UNASSIGNED,
    }
)
"""The kinds of records that take rights away, or give back what one of them took."""

_PEOPLE: Final = frozenset({AuditKind.OPERATOR_CHANGED, AuditKind.TOKEN_CHANGED})
_MOST: Final = 100
"""Records of people, and as many of machines, that are kept outside the database."""
_DETAILS: Final = ("operator", "token", "done", "role_after", "labels_after", "name")
_LONGEST: Final = 200
_NOBODY: Final = MachineIdentity()
_NOTHING: Final = Head()


@dataclass(frozen=True, slots=True)
class Taken:
    """A record that took rights away, without its evidence; ``at`` is in Unix seconds. It holds no secret."""

    head: Head
    at: float
    kind: AuditKind
    actor: str = ""
    grant_id: str = ""
    identity: MachineIdentity = _NOBODY
    entry: str = ""
    reason: str = ""
    details: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: ChainedEvent) -> Taken:
        event = record.event
        details = {name: str(event.details[name])[:_LONGEST] for name in _DETAILS if name in event.details}
        texts = event.entry[:_LONGEST], event.reason[:_LONGEST]
        head = Head(record.seq, record.digest)
        return cls(head, event.at, event.kind, event.actor, event.grant_id, event.identity, *texts, details)

    def __str__(self) -> str:
        """Say what happened, for a person."""
        by = f" by {self.actor}" if self.actor else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self._what()}{by}{reason}"

    def _what(self) -> str:
        done = self.details.get("done", "changed")
        match self.kind:
            case AuditKind.OPERATOR_CHANGED:
                return f"operator {self.details.get('operator', '')} {done}"
            case AuditKind.TOKEN_CHANGED:
                return f"token {self.details.get('token', '')} {done}"
            case AuditKind.DISARMED:
                return f"armed window {self.details.get('name', '')} closed"
            case _:
                machine = MachineIdentity.shown(self.identity.given())
                return f"{_DONE.get(self.kind, self.kind.value)}: {machine}{f' as {self.entry}' if self.entry else ''}"


_DONE: Final = {
    AuditKind.DENIED: "machine denied",
    AuditKind.UNDENIED: "denial taken back",
    AuditKind.REVOKED: "approval revoked",
    AuditKind.VOIDED: "approval void",
    AuditKind.VOTE_WITHDRAWN: "vote withdrawn",
    AuditKind.UNASSIGNED: "assignment removed",
}


@dataclass(frozen=True, slots=True)
class Seen:
    """What one server last saw. Epochs begin at 1; ``head`` is the end of the audit at ``at`` (Unix seconds).

    ``taken`` are the last records that took rights away, oldest first. ``marked_at`` is when a person said that the
    database is an older copy although nothing here shows it, None if nobody did.
    """

    epoch: int = 1
    head: Head = _NOTHING
    at: float = 0.0
    taken: tuple[Taken, ...] = ()
    marked_at: float | None = None

    def after(self, head: Head, taken: Iterable[Taken], at: float) -> Seen:
        """Return what the server has seen once the audit has reached ``head``, with these new records."""
        every = sorted({each.head.seq: each for each in (*self.taken, *taken)}.values(), key=lambda each: each.head.seq)
        people = [each for each in every if each.kind in _PEOPLE][-_MOST:]
        machines = [each for each in every if each.kind not in _PEOPLE][-_MOST:]
        kept = sorted((*people, *machines), key=lambda each: each.head.seq)
        return replace(self, head=head, taken=tuple(kept), at=at)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """An older database that an admin accepted at ``at`` (Unix seconds): it began ``epoch``.

    It covers what was seen in the epoch ``covered_epoch``, up to the record ``covered_seq``.
    """

    epoch: int
    covered_epoch: int
    covered_seq: int
    at: float

    def covers(self, seen: Seen) -> bool:
        is_later = seen.marked_at is None or self.at >= seen.marked_at
        return is_later and self.covered_epoch == seen.epoch and self.covered_seq >= seen.head.seq


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a database has: the end of its audit, the number of its oldest record (0 for none), the digests of the
    records whose numbers a server saw, and what was accepted."""

    head: Head
    oldest: int
    digests: Mapping[int, str]
    acceptances: Sequence[Acceptance] = ()

    @property
    def epoch(self) -> int:
        return max((each.epoch for each in self.acceptances), default=1)

    def has(self, head: Head) -> bool:
        """Return whether it has this record, or has sealed it: then it has later ones."""
        if head.seq == 0:
            return True
        if head.seq < self.oldest:
            return True
        return self.digests.get(head.seq) == head.digest


@dataclass(frozen=True, slots=True)
class Lost:
    """What an older database lacks: ``records`` is how many, None if that is not known; ``taken`` those that are known,
    oldest first. ``seen`` is what showed it."""

    seen: Seen
    records: int | None
    taken: tuple[Taken, ...]


def lost_from(recorded: Recorded, seen: Seen) -> Lost | None:
    """Return what a database lacks of what a server has seen; None if it is not older, or was accepted already."""
    if recorded.has(seen.head) and seen.marked_at is None:
        return None
    if any(each.covers(seen) for each in recorded.acceptances):
        return None
    more = seen.head.seq - recorded.head.seq
    count = (more if more > 0 else None) if seen.marked_at is None else None
    return Lost(seen, count, tuple(each for each in seen.taken if not recorded.has(each.head)))


def merged(losses: Sequence[Lost]) -> Lost:
    """Return what several servers know together; there is at least one."""
    newest = max(losses, key=lambda each: (each.seen.epoch, each.seen.head.seq))
    taken = {(each.head.seq, each.head.digest): each for loss in losses for each in loss.taken}
    counts = [loss.records for loss in losses if loss.records is not None]
    return Lost(newest.seen, max(counts, default=None), tuple(taken[key] for key in sorted(taken)))


def as_json(seen: Seen) -> dict[str, Any]:
    """Return the form in which it is written."""
    return {
        "version": 1,
        "epoch": seen.epoch,
        "head": str(seen.head),
        "at": seen.at,
        "marked_at": seen.marked_at,
        "taken": [
            {
                "head": str(each.head),
                "at": each.at,
                "kind": each.kind.value,
                "actor": each.actor,
                "grant": each.grant_id,
                "machine": each.identity.given(),
                "entry": each.entry,
                "reason": each.reason,
                "details": dict(each.details),
            }
            for each in seen.taken
        ],
    }


def read_seen(members: Any) -> Seen:
    """Read what ``as_json`` returned. Raises ValueError for anything else."""
    try:
        if members["version"] != 1:
            raise ValueError("it was written by a newer bootgrant")
        marked = members["marked_at"]
        taken = tuple(_read_taken(each) for each in members["taken"])
        at = float(members["at"])
        return Seen(int(members["epoch"]), _head(members["head"]), at, taken, None if marked is None else float(marked))
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"it is damaged ({type(error).__name__})") from error


def _read_taken(members: Mapping[str, Any]) -> Taken:
    return Taken(
        _head(members["head"]),
        float(members["at"]),
        AuditKind(members["kind"]),
        str(members["actor"]),
        str(members["grant"]),
        MachineIdentity(**members["machine"]),
        str(members["entry"]),
        str(members["reason"]),
        {str(name): str(value) for name, value in members["details"].items()},
    )


def _head(text: str) -> Head:
    seq, _, digest = text.partition(":")
    return Head(int(seq), digest)
