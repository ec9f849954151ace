"""One call of the API: who calls, with what; and what is told. Everything in it has been checked against the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.audit_log import AuditLog
from bootgrant.ports.clock import Clock
from bootgrant.ports.config_source import ConfigSource, WatchedSource
from bootgrant.ports.grant_store import GrantStore
from bootgrant.workflows.api_tokens import ApiTokens
from bootgrant.workflows.arm_window import ArmWindow
from bootgrant.workflows.assign_machine import AssignMachine
from bootgrant.workflows.decide_grant import DecideGrant
from bootgrant.workflows.manage_operators import ManageOperators

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ApiPlane:
    """What the API is made of; ``public_url`` is where people and programs reach it."""

    decide: DecideGrant
    assign: AssignMachine
    arm: ArmWindow
    manage: ManageOperators
    tokens: ApiTokens
    store: GrantStore
    source: ConfigSource
    audit: AuditLog
    clock: Clock
    public_url: str
    settings: tuple[ShownSetting, ...]
    configurations: WatchedSource


@dataclass(frozen=True, slots=True)
class Call:
    """``query`` and ``members`` have the types that the table gives them; what was not sent is not in them."""

    plane: ApiPlane
    actor: Actor
    path: Mapping[str, str]
    query: Mapping[str, Any]
    members: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """A status and an object; an error's has ``error``, a stable name, and ``message``, one line for a person."""

    body: Json
    status: int = 200


def refused(status: int, error: str, message: str) -> Told:
    """Why nothing happened, and what to do."""
    return Told({"error": error, "message": message}, status)
