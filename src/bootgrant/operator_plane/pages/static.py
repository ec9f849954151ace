"""``/static/…``: style sheets, scripts and the icon."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.operator_plane import error_pages
from bootgrant.operator_plane.rendering import assets
from bootgrant.operator_plane.visit import Visit


async def serve(visit: Visit) -> Response:
    asset = assets().get(visit.request.path_params["name"])
    if asset is None:
        return visit.error(error_pages.NOT_FOUND)
    headers = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(asset.content, media_type=asset.media_type, headers=headers)
