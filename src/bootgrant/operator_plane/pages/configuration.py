"""``/requests/<id>/configuration``: what the machine would get, without secrets; for admins also with them."""

from __future__ import annotations

import logging

from starlette.responses import Response

from bootgrant.approval.operators import Refused
from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.pages.machine import ChangesView, changes_view
from bootgrant.operator_plane.pages.machines import page_of
from bootgrant.operator_plane.visit import Visit, actor_of, sign_in_again_first
from bootgrant.operator_plane.wording import text
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.workflows.decide.reveal import Revealed, may_reveal

log = logging.getLogger("bootgrant.operators")


async def show(visit: Visit) -> Response:
    """Show the configuration that the machine would get, without secrets."""
    card = await visit.plane.decide.cards.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    grant_id = card.grant.grant_id
    if card.entry is None:
        return visit.error(error_pages.no_configuration(grant_id, card.problem))
    try:
        preview = await visit.plane.decide.source.preview(card.entry.name, card.grant.identity)
    except ConfigUnavailable as error:
        return visit.error(error_pages.no_configuration(grant_id, str(error)))
    if preview is None:
        return visit.error(error_pages.no_configuration(grant_id, text("preview.gone")))
    shown = Revealed(card.entry.name, preview)
    changes = changes_view(await visit.plane.machines.changes(card.entry.name))
    offers_secrets = may_reveal(card, actor_of(visit))
    return _page(visit, grant_id, shown, offers_secrets=offers_secrets, is_revealed=False, changes=changes)


async def reveal(visit: Visit) -> Response:
    """Show the same with its secrets, once. It needs a recent sign-in, and the audit has it."""
    card = await visit.plane.decide.cards.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.error(error_pages.NO_REQUEST)
    grant_id = card.grant.grant_id
    if (again := sign_in_again_first(visit, f"/requests/{grant_id}/configuration")) is not None:
        return again
    outcome = await visit.plane.reveal(card, actor_of(visit))
    if isinstance(outcome, Refused):
        return visit.error(error_pages.no_configuration(grant_id, outcome.message))
    log.info("%r looked at the secrets of the request %s", visit.operator, grant_id)
    return _page(visit, grant_id, outcome, offers_secrets=False, is_revealed=True)


def _page(
    visit: Visit,
    grant_id: str,
    shown: Revealed,
    *,
    offers_secrets: bool,
    is_revealed: bool,
    changes: ChangesView | None = None,
) -> Response:
    return visit.page(
        "configuration.html",
        name=shown.entry,
        machine=page_of(shown.entry),
        changes=changes,
        preview=shown.text,
        grant_id=grant_id,
        offers_secrets=offers_secrets,
        is_revealed=is_revealed,
    )
