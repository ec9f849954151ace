"""The audit events of a request's steps, and the audit as a whole: verified, exported, sealed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bootgrant.approval.audit import (
    AuditEvent,
    AuditKind,
    Broken,
    ChainCheck,
    Head,
    exported,
    read_record,
)
from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import Decision, Delivery, DeviceGrant, GrantState
from bootgrant.approval.operators import Actor
from bootgrant.ports.audit import AuditLog, AuditOf


def opened(grant: DeviceGrant) -> AuditEvent:
    """A machine asked."""
    return AuditEvent(
        at=grant.opened_at,
        kind=AuditKind.OPENED,
        grant_id=grant.grant_id,
        identity=grant.identity,
        address=grant.source_address,
        details={"client": grant.client_id},
    )


def decided(decision: Decision, entry: str, revision: str, digest: str, evidence: Sequence[Check]) -> AuditOf:
    """Somebody decided: what the rule made of it (approved, a vote of several, denied) is read from the grant.

    ``entry``, ``revision`` and ``digest`` are of what the machine would get, empty when there is none.
    """

    def event(after: DeviceGrant) -> AuditEvent:
        details = {"votes": len(after.votes)} if after.votes else {}
        return AuditEvent(
            at=decision.at,
            kind=_KINDS.get(after.state, AuditKind.APPROVED),
            actor=decision.by,
            via=decision.author.via,
            grant_id=after.grant_id,
            identity=after.identity,
            address=after.source_address,
            entry=entry,
            revision=revision,
            digest=digest,
            reason=decision.reason,
            evidence=tuple(evidence),
            details={**details, "asked": round(after.opened_at * 1000)},
        )

    return event


_KINDS = {GrantState.PENDING: AuditKind.VOTED, GrantState.DENIED: AuditKind.DENIED}


def revoked(at: float, actor: str, via: str) -> AuditOf:
    """An approval was taken back."""

    def event(after: DeviceGrant) -> AuditEvent:
        return AuditEvent(
            at=at,
            kind=AuditKind.REVOKED,
            actor=actor,
            via=via,
            grant_id=after.grant_id,
            identity=after.identity,
            address=after.source_address,
            entry=after.entry,
        )

    return event


def delivered(delivery: Delivery, revision: str, composer: str) -> AuditOf:
    """The whole configuration left; beside its digest stands the one that was approved."""

    def event(after: DeviceGrant) -> AuditEvent:
        approved = {"approved_sha256": after.approved_sha256} if after.approved_sha256 else {}
        return AuditEvent(
            at=delivery.at,
            kind=AuditKind.DELIVERED,
            grant_id=after.grant_id,
            identity=after.identity,
            address=delivery.address,
            entry=after.entry,
            revision=revision,
            digest=delivery.sha256,
            details={"size": delivery.size, "delivery": after.deliveries, "composer": composer, **approved},
        )

    return event


def decision_of(actor: Actor, at: float, reason: str = "") -> Decision:
    """What this person or program says now."""
    return Decision(actor.author, at, reason)


def operator_changed(at: float, actor: Actor, name: str, done: str) -> AuditEvent:
    """Somebody ``done`` ("added", "disabled", …) the operator ``name``."""
    return _changed(AuditKind.OPERATOR_CHANGED, at, actor, {"operator": name, "done": done})


def token_changed(at: float, actor: Actor, name: str, done: str) -> AuditEvent:
    """Somebody ``done`` ("made", "revoked") the API token ``name``."""
    return _changed(AuditKind.TOKEN_CHANGED, at, actor, {"token": name, "done": done})


def _changed(kind: AuditKind, at: float, actor: Actor, details: dict[str, str | int]) -> AuditEvent:
    return AuditEvent(at=at, kind=kind, actor=str(actor), via=actor.via, details=details)


@dataclass(frozen=True, slots=True)
class Sealed:
    """What was sealed away: the records up to ``through``, how many they were, the SHA-256 of the file they are in."""

    through: Head
    records: int
    file_sha256: str


async def verify(audit: AuditLog, noted: Head | None = None) -> ChainCheck:
    """Follow the whole chain of a store; ``broken`` of what is returned is None when it holds.

    ``noted`` is a head that was written down once. Raises StoreUnavailable.
    """
    end = await audit.head()
    check = ChainCheck(noted)
    async for page in audit.from_oldest():
        for line, digest in page:
            check.take(line, digest)
    if check.finish() is None and check.head.seq < end.seq:
        check.broken = Broken(check.head.seq + 1, f"the chain ends at {check.head.seq}, and went on to {end.seq} once")
    return check


async def export(audit: AuditLog) -> AsyncIterator[str]:
    """Every record as a line of the export, oldest first. Raises StoreUnavailable."""
    async for page in audit.from_oldest():
        for line, digest in page:
            yield exported(line, digest)


async def seal(
    audit: AuditLog, before: float, actor: Actor, now: float, write: Callable[[str], None], keep: Callable[[], str]
) -> Sealed | Broken | None:
    """Write the records from before ``before`` (Unix seconds) out, then forget them and say so in the chain.

    ``write`` takes each line; ``keep`` makes the file durable and returns its name. None: there is nothing so old. A
    broken chain is not sealed. Raises StoreUnavailable, and what the two raise; nothing is forgotten then.
    """
    check, digest, is_over = ChainCheck(), hashlib.sha256(), False
    async for page in audit.from_oldest():
        for line, told in page:
            is_over = _is_newer(line, before)
            if is_over:
                break
            check.take(line, told)
            if check.broken is not None:
                return check.broken
            written = exported(line, told) + "\n"
            digest.update(written.encode())
            write(written)
        if is_over:
            break
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


def _is_newer(line: str, before: float) -> bool:
    """Whether a record is of ``before`` or later. What is no record is not: the check of the chain will say so."""
    try:
        return read_record(line).event.at >= before
    except ValueError:
        return False
