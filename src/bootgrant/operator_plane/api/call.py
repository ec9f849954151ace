"""A route of the API, one call of it, and its reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.api.shapes import Schema
from bootgrant.operator_plane.permissions import Permission
from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.configurations import ConfigSource, WatchedSource
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.status import StatusReport
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.accept_revision import AcceptRevision
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.reveal import RevealConfiguration
from bootgrant.workflows.decide.windows import ArmWindow
from bootgrant.workflows.limits.rates import AttemptLimit, WhenFull
from bootgrant.workflows.people.api_tokens import ApiTokens
from bootgrant.workflows.people.manage_operators import ManageOperators
from bootgrant.workflows.people.undo import UndoWork
from bootgrant.workflows.record.codes_again import CodesAgain

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AccountsPlane:
    """What the routes of operators and tokens need. ``public_url`` is where people and programs reach the server."""

    manage: ManageOperators
    tokens: ApiTokens
    audit: AuditLog
    clock: Clock
    public_url: str


@dataclass(frozen=True, slots=True)
class ApiPlane(AccountsPlane):
    """What the whole API needs. ``codes_by_caller`` limits how fast codes can be guessed (RFC 8628 section 5.1)."""

    decide: DecideGrant
    assign: AssignMachine
    arm: ArmWindow
    undo: UndoWork
    store: GrantStore
    source: ConfigSource
    settings: tuple[ShownSetting, ...]
    configurations: WatchedSource
    accept: AcceptRevision
    codes_again: CodesAgain
    reveal: RevealConfiguration
    status: StatusReport
    codes_by_caller: AttemptLimit = field(
        default_factory=lambda: AttemptLimit(burst=20, every=6.0, when_full=WhenFull.REFUSE)
    )


P_co = TypeVar("P_co", bound=AccountsPlane, covariant=True)


@dataclass(frozen=True, slots=True)
class CallOf(Generic[P_co]):
    """A call that matches the schema of its route. ``query`` and ``members`` contain only what was sent."""

    plane: P_co
    actor: Actor
    path: Mapping[str, str]
    query: Mapping[str, Any]
    members: Mapping[str, Any]


Call = CallOf[ApiPlane]
AccountsCall = CallOf[AccountsPlane]


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and an object. An error has ``error``, a stable name, and ``message``, one line for a person."""

    body: Json
    status: int = 200


def refused(status: int, error: str, message: str) -> Reply:
    """Return an error. ``message`` says what is wrong and what to do."""
    return Reply({"error": error, "message": message}, status)


P_contra = TypeVar("P_contra", bound=AccountsPlane, contravariant=True)


@dataclass(frozen=True, slots=True)
class ApiRoute(Generic[P_contra]):
    """One route, from which the endpoint, its permission and its part of the OpenAPI document are made.

    ``query`` has the parameters and their schemas; one with an array may be repeated. ``body`` is None if there is
    none. ``reply`` is the schema of an answer with ``status``. ``refusals`` are the statuses of errors, in addition to
    those that every route may answer.
    """

    method: str
    path: str
    permission: Permission
    handler: Callable[[CallOf[P_contra]], Awaitable[Reply]]
    reply: Schema
    query: Mapping[str, Schema] = field(default_factory=dict)
    body: Schema | None = None
    status: int = 200
    refusals: tuple[int, ...] = ()

    @property
    def operation(self) -> str:
        """The name of the handler, such as ``approve`` or ``add_operator``."""
        name: str = self.handler.__name__
        return name

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")
