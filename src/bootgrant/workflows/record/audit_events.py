"""What the audit says of the steps of a request."""

from __future__ import annotations

from collections.abc import Sequence

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import Decision, Delivery, DeviceGrant, GrantState
from bootgrant.approval.operators import Actor
from bootgrant.ports.audit import AuditOf


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
            via=decision.via,
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
    return Decision(str(actor), at, reason, actor.person, actor.via)


def operator_changed(at: float, actor: Actor, name: str, done: str) -> AuditEvent:
    """Somebody ``done`` ("added", "disabled", …) the operator ``name``."""
    return _changed(AuditKind.OPERATOR_CHANGED, at, actor, {"operator": name, "done": done})


def token_changed(at: float, actor: Actor, name: str, done: str) -> AuditEvent:
    """Somebody ``done`` ("made", "revoked") the API token ``name``."""
    return _changed(AuditKind.TOKEN_CHANGED, at, actor, {"token": name, "done": done})


def _changed(kind: AuditKind, at: float, actor: Actor, details: dict[str, str | int]) -> AuditEvent:
    return AuditEvent(at=at, kind=kind, actor=str(actor), via=actor.via, details=details)
