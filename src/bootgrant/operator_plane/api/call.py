"""One call of the API: who calls, with what; and what is told. Everything in it has been checked against the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, WatchedSource
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.windows import ArmWindow
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.manage_operators import ManageOperators

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AccountsPlane:
    """What operators and tokens are managed with; ``public_url`` is where people and programs reach the server."""

    manage: ManageOperators
    tokens: ApiTokens
    audit: AuditLog
    clock: Clock
    public_url: str


@dataclass(frozen=True, slots=True)
class ApiPlane(AccountsPlane):
    """What the whole API is made of."""

    decide: DecideGrant
    assign: AssignMachine
    arm: ArmWindow
    store: GrantStore
    source: ConfigSource
    settings: tuple[ShownSetting, ...]
    configurations: WatchedSource


P_co = TypeVar("P_co", bound=AccountsPlane, covariant=True)


@dataclass(frozen=True, slots=True)
class CallOf(Generic[P_co]):
    """``query`` and ``members`` have the types that the table gives them; what was not sent is not in them."""

    plane: P_co
    actor: Actor
    path: Mapping[str, str]
    query: Mapping[str, Any]
    members: Mapping[str, Any]


Call = CallOf[ApiPlane]
AccountsCall = CallOf[AccountsPlane]


@dataclass(frozen=True, slots=True)
class Told:
    """A status and an object; an error's has ``error``, a stable name, and ``message``, one line for a person."""

    body: Json
    status: int = 200


def refused(status: int, error: str, message: str) -> Told:
    """Why nothing happened, and what to do."""
    return Told({"error": error, "message": message}, status)
