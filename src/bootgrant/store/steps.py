"""Counting what a durable change meant: which step a grant took, and how long it had waited for it."""

from __future__ import annotations

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.ports.database import StoreCounts


def count_step(counts: StoreCounts, before: DeviceGrant, after: DeviceGrant) -> None:
    """``before`` became ``after``; a change that stays in its state is no step."""
    if after.state is before.state:
        return
    counts.steps[after.state.value] += 1
    if after.decision is None:
        return
    if before.state is GrantState.PENDING:
        counts.decision.add(after.decision.at - after.opened_at)
    if after.state is GrantState.DELIVERED and after.delivered_at is not None:
        counts.delivery.add(after.delivered_at - after.decision.at)
