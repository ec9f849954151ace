"""``/settings``: the settings of the running server, read-only and without secrets."""

from __future__ import annotations

from itertools import groupby

from starlette.responses import Response

from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import settings_for


async def show(visit: Visit) -> Response:
    """Show the settings in the groups of ``bootgrant.toml``."""
    rows = settings_for(actor_of(visit), visit.plane.settings)
    groups = [(name, list(found)) for name, found in groupby(sorted(rows, key=_group), key=_group)]
    return visit.page("settings.html", groups=groups)


def _group(row: ShownSetting) -> str:
    return row.key.rpartition(".")[0] or "server"
