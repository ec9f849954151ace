"""The audit events of a request's steps, and the audit as a whole: verified, exported, sealed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.audit import (
    AuditEvent,
    AuditKind,
    Broken,
    ChainCheck,
    ChainedEvent,
    Head,
    exported,
    read_record,
)
from bootgrant.approval.changed_rights import HasRights, changed_rights
from bootgrant.approval.decision import Decision
from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import Delivery, DeviceGrant, Elsewhere
from bootgrant.approval.operators import Actor, Author
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter, AuditLog, AuditOf
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.people import Session
from bootgrant.workflows.record.approvals import WHY_VOID


def _about(grant: DeviceGrant, kind: AuditKind, at: float) -> AuditEvent:
    return AuditEvent(
        at, kind, grant_id=grant.grant_id, identity=grant.identity, address=grant.source_address, entry=grant.entry
    )


def opened(grant: DeviceGrant) -> AuditEvent:
    """Return the event of a new request."""
    return replace(_about(grant, AuditKind.OPENED, grant.opened_at), entry="", details={"client": grant.client_id})


def decided(decision: Decision, entry: str, revision: str, digest: str, evidence: Sequence[Check]) -> AuditOf:
    """Return the event of a decision; whether it is an approval, a vote or a denial is read from the grant after it.

    ``entry``, ``revision`` and ``digest`` are those of the machine's configuration, empty when there is none.
    """

    def event(after: DeviceGrant) -> AuditEvent:
        details = {"votes": len(after.votes)} if after.votes else {}
        return replace(
            _about(after, _KINDS.get(after.state, AuditKind.APPROVED), decision.at),
            actor=decision.by,
            via=decision.author.via,
            entry=entry,
            revision=revision,
            digest=digest,
            reason=decision.reason,
            evidence=tuple(evidence),
            details={**details, "asked": round(after.opened_at * 1000)},
        )

    return event


_KINDS: Final = {GrantState.PENDING: AuditKind.VOTED, GrantState.DENIED: AuditKind.DENIED}


def votes_followed(opened: DeviceGrant) -> Sequence[AuditEvent]:
    """Return the events of the votes that a new request inherited from the one it replaced, and of those it did not."""
    moved = [_vote_event(opened, AuditKind.VOTE_MOVED, vote, "") for vote in opened.votes]
    return [*moved, *(_vote_event(opened, AuditKind.VOIDED, vote, WHY_VOID[why]) for vote, why in opened.void_votes)]


def _vote_event(opened: DeviceGrant, kind: AuditKind, vote: Decision, reason: str) -> AuditEvent:
    return replace(
        _about(opened, kind, opened.opened_at),
        actor=vote.by,
        via=vote.author.via,
        reason=reason,
        details={"vote_for": vote.request, "voted": round(vote.at * 1000)},
    )


def voided(at: float, reason: str) -> AuditOf:
    """Return the event of an undelivered approval that became void; its details say whose it was."""

    def event(after: DeviceGrant) -> AuditEvent:
        people = [decision.by for decision in after.approvals]
        return replace(_about(after, AuditKind.VOIDED, at), reason=reason, details={"approved_by": ", ".join(people)})

    return event


def votes_lost(at: float, votes: Sequence[Decision], reason: str) -> AuditOf:
    """Return the event of votes that became void while the machine waits; its details say whose they were."""
    people = ", ".join(vote.by for vote in votes)
    return lambda after: replace(
        _about(after, AuditKind.VOTE_WITHDRAWN, at), reason=reason, details={"approved_by": people}
    )


def undenied(decision: Decision) -> AuditOf:
    """Return the event of a denial that was taken back; its reason is that of the denial."""

    def event(after: DeviceGrant) -> AuditEvent:
        reason = after.decision.reason if after.decision else ""
        about = _about(after, AuditKind.UNDENIED, decision.at)
        return replace(about, actor=decision.by, via=decision.author.via, reason=reason)

    return event


def revoked(at: float, actor: str, via: str, reason: str = "") -> AuditOf:
    """Return the event of a revoked approval."""
    return lambda after: replace(_about(after, AuditKind.REVOKED, at), actor=actor, via=via, reason=reason)


def taken_back(at: float, actor: Actor, reason: str) -> AuditOf:
    """Return the event of an undone approval: revoked, or a vote withdrawn while the machine waits for another."""

    def event(after: DeviceGrant) -> AuditEvent:
        kind = AuditKind.VOTE_WITHDRAWN if after.state is GrantState.PENDING else AuditKind.REVOKED
        return replace(_about(after, kind, at), actor=str(actor), via=actor.via, reason=reason)

    return event


def delivered(
    delivery: Delivery, revision: str, composer: str, *, elsewhere: bool = False, made: Sequence[str] = ()
) -> AuditOf:
    """Return the event of a complete delivery; its details have the digest that was approved.

    ``made`` names the values that were made for it: they are why the digest is not the one that was approved.
    With ``elsewhere`` it went to another address than the one that asked, and they have that one too.
    """

    def event(after: DeviceGrant) -> AuditEvent:
        approved = {"approved_sha256": after.approved_sha256} if after.approved_sha256 else {}
        asked = _requested_from(after) if elsewhere else {}
        if made:
            asked["made_at_delivery"] = ", ".join(made)
        return replace(
            _about(after, AuditKind.DELIVERED, delivery.at),
            address=delivery.address,
            revision=revision,
            digest=delivery.sha256,
            details={"size": delivery.size, "delivery": after.deliveries, "composer": composer, **approved, **asked},
        )

    return event


def used_elsewhere(use: Elsewhere) -> AuditOf:
    """Return the event of a token that was used at another address than the one that asked."""
    done = "the configuration was refused" if use.refused else "the configuration was sent"

    def event(after: DeviceGrant) -> AuditEvent:
        about = _about(after, AuditKind.OTHER_ADDRESS, use.at)
        return replace(about, address=use.address, reason=done, details=_requested_from(after))

    return event


def _requested_from(grant: DeviceGrant) -> dict[str, str]:
    return {"requested_from": grant.source_address}


@dataclass(frozen=True, slots=True)
class Change:
    """When something was changed, by whom, what was ``done`` ("added", "disabled", …), and why, if that is known."""

    at: float
    actor: Actor
    done: str
    reason: str = ""


def operator_changed(change: Change, name: str, before: HasRights | None, after: HasRights | None) -> AuditEvent:
    """Return the event of a change to the operator ``name``, with their rights before and after it."""
    return _changed(AuditKind.OPERATOR_CHANGED, change, {"operator": name, **_done(change, before, after)})


def token_changed(change: Change, name: str, before: HasRights | None, after: HasRights | None) -> AuditEvent:
    """Return the event of a change to the API token ``name``, with its rights before and after it."""
    return _changed(AuditKind.TOKEN_CHANGED, change, {"token": name, **_done(change, before, after)})


def _done(change: Change, before: HasRights | None, after: HasRights | None) -> dict[str, str]:
    return {"done": change.done, **changed_rights(before, after)}


def _changed(kind: AuditKind, change: Change, details: Mapping[str, str]) -> AuditEvent:
    actor = change.actor
    return AuditEvent(change.at, kind, str(actor), actor.via, reason=change.reason, details=dict(details))


def signed_out(session: Session, at: float, reason: str) -> AuditEvent:
    """Return the event of a session that ended because the session at the provider ended."""
    author = Author(session.operator, session.via)
    return AuditEvent(at, AuditKind.SIGNED_OUT, str(author), author.via, reason=reason)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed: the last of the records, how many they were, and the SHA-256 of the file that has them."""

    through: Head
    records: int
    file_sha256: str


async def verify(audit: AuditLog, noted: Head | None = None) -> ChainCheck:
    """Check the whole chain of a store; ``broken`` of the result is None when it holds.

    ``noted`` is a head that was written down earlier. Raises StoreUnavailable.
    """
    end = await audit.head()
    check = ChainCheck(noted)
    async for page in audit.from_oldest():
        for line, digest in page:
            check.take(line, digest)
    if check.finish() is None and check.head.seq < end.seq:
        check.broken = Broken(check.head.seq + 1, f"the chain ends at {check.head.seq}, but it once reached {end.seq}")
    return check


_LOOKED_AT: Final = 500
"""Records that are looked at for one part of the newer ones, so that a filter does not take long."""


async def page_after(audit: AuditLog, seq: int) -> Sequence[tuple[str, str]]:
    """Return the first of the records with higher numbers, as from_oldest yields them. Raises StoreUnavailable."""
    async for page in audit.from_oldest(seq + 1):
        return page
    return ()


async def newer_records(
    audit: AuditLog, which: AuditFilter, after: int, limit: int
) -> tuple[Sequence[ChainedEvent], int]:
    """Return matching records with higher numbers than ``after``, oldest first, and the number to continue after.

    There may be more, also if none is returned, until that number stays the same. Raises StoreUnavailable.
    """
    found: list[ChainedEvent] = []
    for line, digest in (await page_after(audit, after))[:_LOOKED_AT]:
        record = _stored(line, digest)
        after = record.seq
        if which.matches(record.event):
            found.append(record)
        if len(found) == limit:
            break
    return found, after


def _stored(line: str, digest: str) -> ChainedEvent:
    try:
        return replace(read_record(line), digest=digest)
    except ValueError as error:
        raise StoreUnavailable("an audit record cannot be read: run `bootgrant audit verify` to find it") from error


async def export(audit: AuditLog) -> AsyncIterator[str]:
    """Yield every record as a line of the export, oldest first. Raises StoreUnavailable."""
    async for page in audit.from_oldest():
        for line, digest in page:
            yield exported(line, digest)


async def seal(
    audit: AuditLog,
    before: float,
    actor: Actor,
    now: float,
    write: Callable[[str], None],
    keep: Callable[[], str],
    through: int | None = None,
) -> Sealed | Broken | None:
    """Write the records older than ``before`` (Unix seconds) to a file, then delete them and note that in the chain.

    With ``through``, records with higher numbers stay: an audit sink still lacks them.
    ``write`` takes each line; ``keep`` makes the file durable and returns its name. Returns None when no record is that
    old. A broken chain is not sealed. Raises StoreUnavailable and whatever the two raise; then nothing is deleted.
    """
    check, digest = ChainCheck(), hashlib.sha256()
    async for line, chained in _older(audit, before, through):
        check.take(line, chained)
        if check.broken is not None:
            return check.broken
        written = exported(line, chained) + "\n"
        digest.update(written.encode())
        write(written)
    if check.records == 0:
        return None
    sealed = Sealed(check.head, check.records, digest.hexdigest())
    details: dict[str, str | int] = {
        "through": sealed.through.seq,
        "digest": sealed.through.digest,
        "records": sealed.records,
        "file": keep(),
        "file_sha256": sealed.file_sha256,
    }
    event = AuditEvent(at=now, kind=AuditKind.SEALED, actor=str(actor), via=actor.via, details=details)
    await audit.drop_sealed(sealed.through.seq, event)
    return sealed


async def _older(audit: AuditLog, before: float, through: int | None) -> AsyncIterator[tuple[str, str]]:
    """Yield lines and digests up to the first record of ``before`` or later, at most up to the number ``through``."""
    async for page in audit.from_oldest():
        for line, digest in page:
            if _stays(line, before, through):
                return
            yield line, digest


def _stays(line: str, before: float, through: int | None) -> bool:
    """Return whether a record is too new. A line that is not a record is left to the chain's check."""
    try:
        record = read_record(line)
    except ValueError:
        return False
    return record.event.at >= before or (through is not None and record.seq > through)
