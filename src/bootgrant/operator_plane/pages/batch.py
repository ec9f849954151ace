"""``/batch``: approve several expected machines at once, each of which can be distinguished from all others."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.forms import MOST_CHOICES
from bootgrant.operator_plane.pages.machine_view import name_of
from bootgrant.operator_plane.pages.queue import PAGE, batch_rows, filter_of, left_out_rows
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.grant_cards import GrantCard

log = logging.getLogger("bootgrant.operators")

_FIELD: Final = "m-"
_SEEN: Final = 16
"""Characters of the fingerprint, which keeps a form with many machines small."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one selected machine. ``card`` is None if its request is gone; ``why`` is empty if approved."""

    grant_id: str
    name: str
    card: GrantCard | None
    why: str = ""


async def show(visit: Visit) -> Response:
    """Show the machines, each with a checkbox."""
    kept = {name.removeprefix(_FIELD) for name in visit.request.query_params if name.startswith(_FIELD)}
    return await _form(visit, kept)


async def approve(visit: Visit) -> Response:
    """Approve the selected machines, except those that changed since the page was shown, and name each of them."""
    chosen = {name.removeprefix(_FIELD): seen for name, seen in visit.form.items() if name.startswith(_FIELD)}
    if not chosen:
        return await _form(visit, set(), text("batch.nothing"), 400)
    cards = await asyncio.gather(*(_card(visit, grant_id) for grant_id in chosen))
    same = [card for card, seen in zip(cards, chosen.values(), strict=True) if card and _is_as_seen(card, seen)]
    pairs = [(card.grant.grant_id, card.entry.fingerprint if card.entry else "") for card in same]
    outcomes = await visit.plane.decide.approve_many(pairs, actor_of(visit), as_batch=True)
    whys = {}
    for (grant_id, _), outcome in zip(pairs, outcomes, strict=True):
        if isinstance(outcome, DeviceGrant):
            log.info("%r approved the request %s", visit.operator, grant_id)
        whys[grant_id] = "" if isinstance(outcome, DeviceGrant) else outcome.message
    results = [
        Result(grant_id, name_of(card) if card else "", card, whys.get(grant_id, text("batch.stale")))
        for grant_id, card in zip(chosen, cards, strict=True)
    ]
    done = [result for result in results if not result.why]
    failed = [result for result in results if result.why]
    return visit.page("batch_done.html", 200 if done else 409, done=done, failed=failed)


async def _card(visit: Visit, grant_id: str) -> GrantCard | None:
    grant = await visit.plane.decide.store.find_grant(grant_id)
    return await visit.plane.decide.cards.brief(grant) if grant else None


def _is_as_seen(card: GrantCard, seen: str) -> bool:
    """Return whether the entry is the one that the page showed. Why a decided request is not approved is said later."""
    if card.state is not GrantState.PENDING:
        return True
    return card.entry is not None and card.entry.fingerprint[:_SEEN] == seen


async def _form(visit: Visit, kept: set[str], problem: str = "", status: int = 200) -> Response:
    """Show the form. ``kept`` is the selection from before the session ended, if any."""
    which = (await visit.plane.waiting.current(), filter_of(visit), actor_of(visit), visit.plane.requires_suffix)
    rows, others = batch_rows(*which), left_out_rows(*which)
    return visit.page(
        "batch.html",
        status,
        rows=rows[:MOST_CHOICES],
        left=max(0, len(rows) - MOST_CHOICES),
        others=others[:PAGE],
        more_others=max(0, len(others) - PAGE),
        kept=kept,
        problem=problem,
        now=visit.plane.clock.now(),
    )
