"""``/access/rules`` and ``/access/providers``: what ``bootgrant.toml`` says about them, in words."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.policy import Rule
from bootgrant.operator_plane.pages.access.shared import named_networks
from bootgrant.operator_plane.visit import Visit
from bootgrant.ports.audit import AuditFilter

LATELY: Final = 30
"""Days for which the approvals of a rule are counted."""
MOST: Final = 100
"""Approvals that are counted for one rule."""


@dataclass(frozen=True, slots=True)
class RuleRow:
    """One rule in words. ``approved`` counts its approvals lately, at most MOST; ``last`` is the newest of them."""

    rule: Rule
    select: str
    networks: str
    evidence: str
    approved: int
    last: float | None


async def show_rules(visit: Visit) -> Response:
    """Show the rules in their order, each with how often it approved a machine lately."""
    rows = await asyncio.gather(*(_row(visit, rule) for rule in visit.plane.rules))
    return visit.page("access_rules.html", rows=rows, lately=LATELY, most=MOST)


async def show_providers(visit: Visit) -> Response:
    """Show the providers at which people sign in, and those whose tokens machines bring."""
    plane = visit.plane
    problems = {name: plane.presence.problem_of(name) for name in plane.oidc.providers}
    return visit.page(
        "access_providers.html", sign_in=plane.oidc.providers, problems=problems, tokens=plane.token_providers
    )


async def _row(visit: Visit, rule: Rule) -> RuleRow:
    plane, conditions = visit.plane, rule.conditions
    since = plane.clock.now() - LATELY * 86400
    which = AuditFilter(kinds=(AuditKind.APPROVED,), actor=f"rule {rule.name}", since=since)
    approved = await plane.audit.newest(which, MOST)
    return RuleRow(
        rule,
        " or ".join(map(str, conditions.select)),
        named_networks(conditions.networks, plane.arm.vocabulary.networks),
        ", ".join(conditions.evidence),
        len(approved),
        approved[0].event.at if approved else None,
    )
