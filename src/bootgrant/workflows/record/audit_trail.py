"""The audit as a whole: followed link by link, written out, its beginning sealed away."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
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
from bootgrant.approval.operators import Actor
from bootgrant.ports.audit import AuditLog


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
