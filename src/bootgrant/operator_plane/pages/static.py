"""``/static/…``: the style sheet, the script and the icon."""

from __future__ import annotations

from starlette.responses import Response

from bootgrant.operator_plane import trouble
from bootgrant.operator_plane.assets import assets
from bootgrant.operator_plane.visit import Visit


async def serve(visit: Visit) -> Response:
    asset = assets().get(visit.request.path_params["name"])
    if asset is None:
        return visit.trouble(trouble.NOT_FOUND)
    for_good = {"cache-control": "public, max-age=31536000, immutable"}
    return Response(asset.content, media_type=asset.media_type, headers=for_good)
