"""The outcome of a request that is no longer pending, including the progress of a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.wording import sentence, text

_WATCHED: Final = ((60.0, 2), (600.0, 10))
"""Up to this many seconds after an approval, a page without scripts reloads every so many seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a delivery. ``mark`` is done, current or ahead."""

    text: str
    mark: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """``is_moving``: more will happen. ``reload`` is in seconds, None for never."""

    title: str
    detail: str
    is_good: bool
    steps: tuple[Step, ...] = ()
    is_moving: bool = False
    reload: int | None = None


def outcome_of(grant: DeviceGrant, state: GrantState, now: float, *, is_refused: bool = False) -> Outcome:
    """Return what to show about a request that is no longer pending.

    ``is_refused``: its machine is refused if it asks again, until an operator takes the denial back.
    """
    match state:
        case GrantState.APPROVED | GrantState.REDEEMED:
            return _in_progress(grant, state, now)
        case GrantState.DELIVERED:
            name = "outcome.delivered_again" if grant.deliveries > 1 else "outcome.delivered_more"
            detail = text(name, count=grant.deliveries)
            return Outcome(text("outcome.delivered"), detail, True, _steps(grant), is_moving=True)
        case GrantState.VOID:
            detail = text("outcome.void_more", why=sentence(grant.void_reason))
            return Outcome(text("outcome.void"), detail, False)
        case GrantState.DENIED if not is_refused:
            return Outcome(text("outcome.denied"), text("outcome.denied_over"), False)
        case GrantState.DENIED | GrantState.REPLACED | GrantState.REVOKED:
            detail = text(f"outcome.{state.value}_more")
            return Outcome(text(f"outcome.{state.value}"), detail, False, is_moving=is_refused)
        case GrantState.EXPIRED:
            why = "undecided" if grant.decision is None else "unfetched"
            return Outcome(text("outcome.expired"), text(f"outcome.expired_{why}"), False)
        case GrantState.PENDING:
            raise AssertionError("a pending request has no outcome")
        case _:
            assert_never(state)


def _in_progress(grant: DeviceGrant, state: GrantState, now: float) -> Outcome:
    since = now - (grant.decision.at if grant.decision else now)
    reload = next((every for until, every in _WATCHED if since < until), None)
    detail = text("outcome.slow") if since >= _WATCHED[0][0] else text(f"outcome.{state.value}_more")
    return Outcome(text(f"outcome.{state.value}"), detail, True, _steps(grant), is_moving=True, reload=reload)


def _steps(grant: DeviceGrant) -> tuple[Step, ...]:
    approved = Step(text("outcome.step_approved"), "done", grant.decision.at if grant.decision else None)
    notified = Step(text("outcome.step_notified"), "done")
    match grant.state:
        case GrantState.DELIVERED:
            return approved, notified, Step(text("outcome.step_delivered"), "done", grant.delivered_at)
        case GrantState.REDEEMED:
            return approved, notified, Step(text("outcome.step_downloading"), "current")
        case _:
            notifying = Step(text("outcome.step_notifying"), "current")
            return approved, notifying, Step(text("outcome.step_delivered"), "ahead")
