"""What a push message says: the site, the entry, the verdict, and a link. It has no code and cannot approve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bootgrant.approval.standing import Standing
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.push import PushNote
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard
from bootgrant.workflows.record.notify_waiting import plain

_UNKNOWN: Final = "Unknown machine"
_NAMED: Final = 3
_NAME: Final = 60
_CLAIM: Final = 120
_VERDICTS: Final = {
    Standing.MISMATCH: "Mismatch",
    Standing.EXPECTED: "Expected",
    Standing.PATTERN: "Matched by pattern",
    Standing.ASSIGNED: "Assigned",
    Standing.UNKNOWN: "Unknown",
}


def note_of_one(site: str, card: GrantCard, now: float) -> PushNote:
    """Return the note about one waiting machine. Its tag is the same for every note about this request."""
    grant = card.grant
    network = f" ({card.network})" if card.network else ""
    parts = [f"{_VERDICTS[card.standing]}, {grant.source_address}{network}."]
    if card.entry is None:
        reported = {name: plain(value, _NAME) for name, value in grant.identity.given().items()}
        parts.append(f"It reports {plain(MachineIdentity.shown(reported), _CLAIM)}.")
    if card.votes:
        people = ", ".join(plain(vote.author.name or vote.by, _NAME) for vote in card.votes)
        parts.insert(0, f"Approved by {people}; another person must approve.")
    elif card.needed > 1:
        parts.append(f"{card.needed} people must approve.")
    ttl = max(1, int(grant.expires_at - now))
    title = f"{site}: {_named(card.entry)}"
    return PushNote(title, " ".join(parts), f"/requests/{grant.grant_id}", grant.grant_id, ttl)


def note_of_many(site: str, entries: Sequence[MachineEntry | None], ttl: int) -> PushNote:
    """Return the note about several waiting machines, which have these entries."""
    known = [_named(entry) for entry in entries if entry is not None]
    unknown = len(entries) - len(known)
    names = known[:_NAMED]
    if len(known) > _NAMED:
        names.append(f"{len(known) - _NAMED} more")
    if unknown:
        names.append(f"{unknown} unknown machines" if unknown > 1 else "1 unknown machine")
    body = f"{', '.join(names[:-1])} and {names[-1]}." if names[1:] else f"{names[0]}."
    return PushNote(f"{site}: {len(entries)} machines are waiting", body, "/", "waiting", ttl)


def _named(entry: MachineEntry | None) -> str:
    return _UNKNOWN if entry is None else plain(entry.name, _NAME)
