"""A grant as a row: the columns that both databases have, in one order."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from bootgrant.approval.decision import Decision, VoidVote, WhyVoid
from bootgrant.approval.grant import DeviceGrant, Elsewhere
from bootgrant.approval.operators import Author
from bootgrant.approval.transitions import GrantState
from bootgrant.wire.identity import MachineIdentity

FIXED: Final = (
    "grant_id", "client_id", "uuid", "serial", "mac", "hostname", "source_address", "user_code_digest",
    "device_code_digest", "token_salt", "opened_at", "expires_at",
)  # fmt: skip
"""The columns that never change."""

CHANGING: Final = (
    "state", "decided_by", "decided_at", "decision_reason", "entry", "token_digest", "token_expires_at",
    "delivered_at", "deliveries", "revoked_at", "undenied_at", "approval", "replaced_by",
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
        grant.revoked_at, grant.undenied and grant.undenied.at, _approval(grant), grant.replaced_by or None,
    )  # fmt: skip


def from_row(row: Sequence[Any]) -> DeviceGrant:
    """Return the grant with these values of COLUMNS."""
    # The columns that are not named here have the order of DeviceGrant's fields.
    grant_id, client_id, uuid, serial, mac, hostname, *fixed = row[: len(FIXED)]
    state, decided_by, decided_at, reason, entry, token_digest, *fetched, undenied_at, approval, replaced_by = row[
        len(FIXED) :
    ]
    stored: dict[str, Any] = json.loads(approval) if approval else {}
    decided = None if decided_at is None else _decision(decided_by, decided_at, reason, *stored.get("by", ()))
    votes = tuple(_decision(*vote) for vote in stored.get("votes", ()))
    void = tuple(VoidVote(_decision(*vote), WhyVoid(why)) for vote, why in stored.get("void", ()))
    approved = (stored.get(name, "") for name in ("fingerprint", "sha256", "revision"))
    elsewhere = tuple(Elsewhere(*use) for use in stored.get("elsewhere", ()))
    undenied = None if undenied_at is None else Decision(Author(*stored.get("undenied", ("",))), undenied_at)
    request = (grant_id, client_id, MachineIdentity(uuid, serial, mac, hostname), *fixed)
    answer = (GrantState(state), decided, entry, token_digest or b"", *fetched)
    later = (elsewhere, replaced_by or "", void, stored.get("why", ""), undenied)
    return DeviceGrant._make((*request, *answer, votes, *approved, *later))


def _decision(by: str, at: float, reason: str, name: str = "", via: str = "", request: str = "") -> Decision:
    """Return a stored decision. Early versions stored no name of a rule, or only the text ``by``."""
    author = Author(name, via)
    return Decision(author if name or author.token else Author(by, via), at, reason, request)


def _approval(grant: DeviceGrant) -> str | None:
    """Return, as JSON, what no query searches for: the actors, the votes, the approved configuration, other addresses.

    None if empty.
    """
    decision = grant.decision
    if decision is None and not grant.votes and not grant.void_votes:
        return None
    members = {
        "by": [decision.author.name, decision.author.via] if decision else None,
        "votes": [_vote(vote) for vote in grant.votes],
        "fingerprint": grant.fingerprint,
        "sha256": grant.approved_sha256,
        "revision": grant.revision,
        "elsewhere": grant.elsewhere,
        "void": [[_vote(vote), why.value] for vote, why in grant.void_votes],
        "why": grant.void_reason,
        "undenied": [grant.undenied.author.name, grant.undenied.author.via] if grant.undenied else None,
    }
    members = {name: value for name, value in members.items() if value}
    return json.dumps(members, separators=(",", ":")) if members else None


def _vote(vote: Decision) -> list[str | float]:
    """Return the arguments of ``_decision``."""
    members: list[str | float] = [vote.by, vote.at, vote.reason, vote.author.name, vote.author.via]
    return [*members, vote.request] if vote.request else members
