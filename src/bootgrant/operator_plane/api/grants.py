"""A request of a machine as JSON. Times are Unix seconds; ages and what is left are seconds."""

from __future__ import annotations

from bootgrant.approval.audit import Past
from bootgrant.ports.configurations import MachineEntry
from bootgrant.workflows.decide.grant_cards import GrantCard

Json = dict[str, object]


def grant_json(card: GrantCard, now: float) -> Json:
    """Everything a person would see on the card; nothing secret is in it."""
    grant, decision = card.grant, card.grant.decision
    return {
        "id": grant.grant_id,
        "code": card.user_code,
        "state": card.state.value,
        "identity": grant.identity.given(),
        "address": grant.source_address,
        "network": card.network,
        "client_id": grant.client_id,
        "opened_at": grant.opened_at,
        "expires_at": grant.expires_at,
        "age": max(0.0, now - grant.opened_at),
        "left": max(0.0, grant.expires_at - now),
        "entry": _entry_of(card),
        "problem": card.problem,
        "assigned_by": card.assignment.by if card.assignment else None,
        "rivals": list(card.rivals),
        "needed": card.needed,
        "votes": [{"by": vote.by, "at": vote.at} for vote in card.votes],
        "evidence": [
            {"name": check.name, "verdict": check.verdict.value, "detail": check.detail} for check in card.evidence
        ],
        "decided_by": decision.by if decision else None,
        "decided_at": decision.at if decision else None,
        "reason": decision.reason if decision else None,
        "delivered_at": grant.delivered_at,
        "deliveries": grant.deliveries,
    }


def _entry_of(card: GrantCard) -> Json | None:
    """What it would get; of an approved request what it was approved for: the rest was not kept, so it is null."""
    if card.entry is None:
        return None
    entry, grant = entry_json(card.entry), card.grant
    if not grant.entry:
        return entry
    kept = {"name": grant.entry, "matched": card.entry.matched, "revision": grant.revision}
    return dict.fromkeys(entry) | kept | {"fingerprint": grant.fingerprint}


def entry_json(entry: MachineEntry) -> Json:
    """What a machine would get, by name, without its content."""
    return {
        "name": entry.name,
        "matched": entry.matched,
        "labels": dict(entry.labels),
        "layers": list(entry.layers),
        "exact": entry.exact,
        "networks": list(entry.networks),
        "approvals": entry.approvals,
        "machine_type": entry.machine_type,
        "revision": entry.revision,
        "fingerprint": entry.fingerprint,
    }


def past_json(past: Past) -> Json:
    """What is known of a machine from before, newest first."""
    return {
        "requests": [{"at": at, "address": address} for at, address in past.requests],
        "deliveries": [
            {"at": done.at, "address": done.address, "entry": done.entry, "sha256": done.sha256}
            for done in past.deliveries
        ],
        "denials": [{"at": at, "by": by, "reason": reason} for at, by, reason in past.denials],
    }
