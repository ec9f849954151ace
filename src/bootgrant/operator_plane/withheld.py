"""What a role that must not see configurations gets in place of a text that may quote one.

Why a configuration cannot be served is said with names of fields and with values: see ``ConfigUnavailable``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Actor, Right
from bootgrant.workflows.decide.grant_cards import NO_ENTRY

WITHHELD: Final = (
    "the configurations have a problem, and your role must not see which: ask an operator who may see configurations"
)


def problem_for(actor: Actor, problem: str) -> str:
    """Return a problem of the configurations as ``actor`` may read it; empty if there is none."""
    if problem in ("", NO_ENTRY) or actor.may(Right.READ_CONFIGURATIONS):
        return problem
    return WITHHELD


def event_for(actor: Actor, event: AuditEvent) -> AuditEvent:
    """Return an event of the audit as ``actor`` may read it."""
    if event.kind is not AuditKind.CONFIG_SNAPSHOT:
        return event
    return replace(event, reason=problem_for(actor, event.reason))
