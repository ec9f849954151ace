"""``/batch``: approve several expected machines without mismatches at once."""

from __future__ import annotations

import logging
from typing import Final

from starlette.responses import Response

from bootgrant.approval.grant import DeviceGrant
from bootgrant.operator_plane.forms import MOST_CHOICES
from bootgrant.operator_plane.pages.machine_view import name_of
from bootgrant.operator_plane.pages.queue import batch_rows, filter_of
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.wording import text
from bootgrant.workflows.decide.grant_cards import GrantCard

log = logging.getLogger("bootgrant.operators")

_FIELD: Final = "m-"
_SEEN: Final = 16
"""Characters of the fingerprint, which keeps a form with many machines small."""


async def show(visit: Visit) -> Response:
    """Show the machines, each with a checkbox."""
    kept = {name.removeprefix(_FIELD) for name in visit.request.query_params if name.startswith(_FIELD)}
    return await _form(visit, kept)


async def approve(visit: Visit) -> Response:
    """Approve the selected machines, except those that changed since the page was shown."""
    chosen = {name.removeprefix(_FIELD): seen for name, seen in visit.form.items() if name.startswith(_FIELD)}
    if not chosen:
        return await _form(visit, set(), text("batch.nothing"), 400)
    waiting = {card.grant.grant_id: card for card in await visit.plane.waiting.current()}
    ready = [card for grant_id, seen in chosen.items() if _is_ready(card := waiting.get(grant_id), seen) and card]
    seen = [(card.grant.grant_id, card.entry.fingerprint if card.entry else "") for card in ready]
    outcomes = await visit.plane.decide.approve_many(seen, actor_of(visit), as_batch=True)
    done, failed = [], []
    for card, outcome in zip(ready, outcomes, strict=True):
        if isinstance(outcome, DeviceGrant):
            log.info("%r approved the request %s", visit.operator, outcome.grant_id)
            done.append((outcome.grant_id, name_of(card)))
        else:
            failed.append((card.grant.grant_id, name_of(card), outcome.message))
    for grant_id in chosen.keys() - {card.grant.grant_id for card in ready}:
        stale = waiting.get(grant_id)
        failed.append((grant_id, name_of(stale) if stale else grant_id, text("batch.stale")))
    return visit.page("batch_done.html", 200 if done else 409, done=done, failed=failed)


def _is_ready(card: GrantCard | None, seen: str) -> bool:
    return (
        card is not None
        and card.entry is not None
        and card.entry.fingerprint[:_SEEN] == seen
        and card.may_be_approved_in_a_batch
    )


async def _form(visit: Visit, kept: set[str], problem: str = "", status: int = 200) -> Response:
    """Show the form. ``kept`` is the selection from before the session ended, if any."""
    rows = batch_rows(
        await visit.plane.waiting.current(), filter_of(visit), actor_of(visit), visit.plane.requires_suffix
    )
    left = max(0, len(rows) - MOST_CHOICES)
    return visit.page(
        "batch.html",
        status,
        rows=rows[:MOST_CHOICES],
        left=left,
        kept=kept,
        problem=problem,
        now=visit.plane.clock.now(),
    )
