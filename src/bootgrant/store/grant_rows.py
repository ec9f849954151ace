"""A grant as a row: the columns that both databases have, in one order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from bootgrant.approval.grant import Decision, DeviceGrant, GrantState
from bootgrant.approval.operators import Author
from bootgrant.wire.identity import MachineIdentity

FIXED: Final = (
    "grant_id", "client_id", "uuid", "serial", "mac", "hostname", "source_address", "user_code_digest",
    "device_code_digest", "token_salt", "opened_at", "expires_at",
)  # fmt: skip
"""The columns that never change."""

CHANGING: Final = (
    "state", "decided_by", "decided_at", "decision_reason", "entry", "token_digest", "token_expires_at",
    "delivered_at", "deliveries", "revoked_at", "approval",
)  # fmt: skip
"""The columns that a step may change."""

COLUMNS: Final = (*FIXED, *CHANGING)
DELIVERY: Final = ("grant_id", "at", "address", "sha256", "size")


def to_row(grant: DeviceGrant) -> tuple[object, ...]:
    """Return the values of COLUMNS."""
    return (*to_fixed_values(grant), *to_changing_values(grant))


def to_fixed_values(grant: DeviceGrant) -> tuple[object, ...]:
    """Return the values of FIXED."""
    machine = grant.identity
    return (
        grant.grant_id, grant.client_id, machine.uuid, machine.serial, machine.mac, machine.hostname,
        grant.source_address, grant.user_code_digest, grant.device_code_digest, grant.token_salt, grant.opened_at,
        grant.expires_at,
    )  # fmt: skip


def to_changing_values(grant: DeviceGrant) -> tuple[object, ...]:
    """Return the values of CHANGING."""
    decision = grant.decision
    return (
        grant.state.value, decision and decision.by, decision and decision.at, decision and decision.reason,
        grant.entry, grant.token_digest or None, grant.token_expires_at, grant.delivered_at, grant.deliveries,
        grant.revoked_at, _approval(grant),
    )  # fmt: skip


def from_row(row: Sequence[Any]) -> DeviceGrant:
    """Return the grant with these values of COLUMNS."""
    (
        grant_id, client_id, uuid, serial, mac, hostname, source_address, user_code_digest, device_code_digest,
        token_salt, opened_at, expires_at, state, decided_by, decided_at, decision_reason, entry, token_digest,
        token_expires_at, delivered_at, deliveries, revoked_at, approval,
    ) = row  # fmt: skip
    stored: dict[str, Any] = json.loads(approval) if approval else {}
    decided = None if decided_at is None else (decided_by, decided_at, decision_reason, *stored.get("by", ()))
    return DeviceGrant(
        grant_id=grant_id,
        client_id=client_id,
        identity=MachineIdentity(uuid, serial, mac, hostname),
        source_address=source_address,
        user_code_digest=user_code_digest,
        device_code_digest=device_code_digest,
        token_salt=token_salt,
        opened_at=opened_at,
        expires_at=expires_at,
        state=GrantState(state),
        decision=_decision(*decided) if decided else None,
        entry=entry,
        token_digest=token_digest or b"",
        token_expires_at=token_expires_at,
        delivered_at=delivered_at,
        deliveries=deliveries,
        revoked_at=revoked_at,
        votes=tuple(_decision(*vote) for vote in stored.get("votes", ())),
        fingerprint=stored.get("fingerprint", ""),
        approved_sha256=stored.get("sha256", ""),
        revision=stored.get("revision", ""),
    )


def _decision(by: str, at: float, reason: str, name: str = "", via: str = "") -> Decision:
    """Return a stored decision. Early versions stored no name of a rule, or only the text ``by``."""
    author = Author(name, via)
    return Decision(author if name or author.token else Author(by, via), at, reason)


def _approval(grant: DeviceGrant) -> str | None:
    """Return, as JSON, what no query searches for: the actor, the votes, the approved configuration. None if empty."""
    decision = grant.decision
    if decision is None and not grant.votes:
        return None
    members = {
        "by": [decision.author.name, decision.author.via] if decision else None,
        "votes": [[vote.by, vote.at, vote.reason, vote.author.name, vote.author.via] for vote in grant.votes],
        "fingerprint": grant.fingerprint,
        "sha256": grant.approved_sha256,
        "revision": grant.revision,
    }
    members = {name: value for name, value in members.items() if value}
    return json.dumps(members, separators=(",", ":")) if members else None
