"""``/requests/<id>/configuration``: what the machine would get, with every secret blacked out."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.visit import Visit
from bootgrant.operator_plane.wording import text
from bootgrant.ports.configurations import ConfigUnavailable


async def show(visit: Visit) -> Response:
    """The redacted rendering of a request's entry."""
    card = await visit.plane.decide.show(visit.request.path_params["grant_id"])
    if card is None:
        return visit.trouble(trouble.NO_REQUEST)
    if card.entry is None:
        return visit.trouble(trouble.no_configuration(card.grant.grant_id, card.problem))
    try:
        preview = await visit.plane.decide.source.preview(card.entry.name, card.grant.identity)
    except ConfigUnavailable as error:
        return visit.trouble(trouble.no_configuration(card.grant.grant_id, str(error)))
    if preview is None:
        return visit.trouble(trouble.no_configuration(card.grant.grant_id, text("preview.gone")))
    return visit.page("configuration.html", name=card.entry.name, preview=preview, grant_id=card.grant.grant_id)
