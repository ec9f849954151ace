"""A request of a machine as JSON. Times are Unix seconds; ages and what is left are seconds."""

from __future__ import annotations

from bootgrant.workflows.grant_cards import GrantCard

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
        "client_id": grant.client_id,
        "opened_at": grant.opened_at,
        "expires_at": grant.expires_at,
        "age": max(0.0, now - grant.opened_at),
        "left": max(0.0, grant.expires_at - now),
        "entry": {"name": card.entry.name, "matched": card.entry.matched} if card.entry else None,
        "problem": card.problem,
        "decided_by": decision.by if decision else None,
        "decided_at": decision.at if decision else None,
        "reason": decision.reason if decision else None,
        "delivered_at": grant.delivered_at,
        "deliveries": grant.deliveries,
    }
