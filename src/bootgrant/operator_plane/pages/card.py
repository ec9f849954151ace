"""``/requests/<id>``: one machine's request, and after the decision what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from starlette.responses import Response

from bootgrant.approval.grant import DeviceGrant, GrantState
from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.visit import Visit
from bootgrant.workflows.grant_cards import GrantCard

_WATCHED: Final = ((60.0, 2), (600.0, 10))
"""Until so many seconds after an approval the page loads itself anew, every so many seconds."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a delivery: ``mark`` is done, current or ahead."""

    text: str
    mark: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a request. ``reload`` is in seconds, None for a page that stays."""

    title: str
    detail: str
    is_good: bool
    steps: tuple[Step, ...] = ()
    reload: int | None = None


async def show(visit: Visit) -> Response:
    """The card of a request, whatever its state."""
    card = await visit.plane.decide.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    return card_page(visit, card, reason=visit.asked("reason"))


def card_page(visit: Visit, card: GrantCard, notice: str = "", reason: str = "", status: int = 200) -> Response:
    """The card. ``notice`` says why the last attempt to decide changed nothing; ``reason`` is kept in its field."""
    now = visit.plane.clock.now()
    if card.state is GrantState.PENDING:
        return visit.page("card.html", status, card=card, now=now, notice=notice, reason=reason)
    return visit.page(
        "outcome.html", status, card=card, now=now, notice=notice, outcome=outcome_of(card.grant, card.state, now)
    )


def outcome_of(grant: DeviceGrant, state: GrantState, now: float) -> Outcome:
    """What to tell of a request that no longer waits."""
    match state:
        case GrantState.APPROVED:
            return _under_way(grant, "Approved", "The machine hears it within seconds.", now)
        case GrantState.REDEEMED:
            return _under_way(grant, "Fetching its configuration", "The machine has heard it.", now)
        case GrantState.DELIVERED:
            again = f" It was fetched {grant.deliveries} times." if grant.deliveries > 1 else ""
            return Outcome("Delivered", f"The machine has its configuration.{again}", True, _steps(grant))
        case GrantState.DENIED:
            told = "The machine gets nothing. When it asks again soon, it is refused without asking anybody."
            return Outcome("Denied", told, False)
        case GrantState.REPLACED:
            told = "The machine asked again and shows a new code: decide about that one."
            return Outcome("Replaced", told, False)
        case GrantState.REVOKED:
            return Outcome("Taken back", "The approval was revoked: the machine's token is worth nothing now.", False)
        case GrantState.EXPIRED if grant.decision is None:
            told = "Nobody decided in time, so this code is over. Is the machine still on? Then it shows a new one."
            return Outcome("Expired", told, False)
        case GrantState.EXPIRED:
            told = "It was approved, and the machine never came back. Is it still on? Then it shows a new code."
            return Outcome("Expired", told, False)
        case GrantState.PENDING:
            raise AssertionError("a request that waits has no outcome")
        case _:
            assert_never(state)


def _under_way(grant: DeviceGrant, title: str, detail: str, now: float) -> Outcome:
    since = now - (grant.decision.at if grant.decision else now)
    reload = next((every for until, every in _WATCHED if since < until), None)
    if since >= _WATCHED[0][0]:
        detail = "The machine has not fetched it yet. Look at its screen: it says what it is doing."
    return Outcome(title, detail, True, _steps(grant), reload)


def _steps(grant: DeviceGrant) -> tuple[Step, ...]:
    approved = Step("Approved", "done", grant.decision.at if grant.decision else None)
    match grant.state:
        case GrantState.DELIVERED:
            return approved, Step("Machine told", "done"), Step("Delivered", "done", grant.delivered_at)
        case GrantState.REDEEMED:
            return approved, Step("Machine told", "done"), Step("Fetching its configuration", "current")
        case _:
            return approved, Step("Telling the machine", "current"), Step("Delivered", "ahead")
