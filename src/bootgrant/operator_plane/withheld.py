"""What depends on the role in an answer that every role gets: problems that may quote a configuration, and settings.

Why a configuration cannot be served is said with names of fields and with values: see ``ConfigUnavailable``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Actor, Right
from bootgrant.operator_plane.permissions import Permission, is_allowed
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.status import Health, ServerStatus
from bootgrant.workflows.decide.grant_cards import NO_ENTRY

WITHHELD: Final = (
    "the configurations have a problem, and your role must not see which: ask an operator who may see configurations"
)


def problem_for(actor: Actor, problem: str) -> str:
    """Return a problem of the configurations as ``actor`` may read it; empty if there is none."""
    if problem in ("", NO_ENTRY) or actor.may(Right.READ_CONFIGURATIONS):
        return problem
    return WITHHELD


def settings_for(actor: Actor, settings: Sequence[ShownSetting]) -> Sequence[ShownSetting]:
    """Return the settings as ``actor`` may read them. Who gets which rights is in some of them."""
    return [row.with_summary() for row in settings] if is_allowed(actor, Permission.ACCOUNTS) else settings


def sources_for(actor: Actor, status: ServerStatus) -> Sequence[Health]:
    """Return the health of the sources as ``actor`` may read it: the first is that of the configurations."""
    first, *others = status.sources
    return [replace(first, error=problem_for(actor, first.error)), *others]


def event_for(actor: Actor, event: AuditEvent) -> AuditEvent:
    """Return an event of the audit as ``actor`` may read it."""
    if event.kind is not AuditKind.CONFIG_SNAPSHOT:
        return event
    return replace(event, reason=problem_for(actor, event.reason))
