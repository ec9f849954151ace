"""``/settings``: how the server is doing, and its settings, read-only and without secrets."""

from __future__ import annotations

from itertools import groupby
from typing import Final

from starlette.responses import Response

from bootgrant.operator_plane.shown_setting import ShownSetting
from bootgrant.operator_plane.visit import Visit, actor_of
from bootgrant.operator_plane.withheld import problem_for, settings_for, sources_for

_SOON: Final = 14 * 86400.0
"""Seconds before its end from which a certificate is a warning."""


async def show(visit: Visit) -> Response:
    """Show what differs from the defaults first, then all settings in the groups of ``bootgrant.toml``."""
    actor = actor_of(visit)
    status = await visit.plane.status.status()
    rows = settings_for(actor, visit.plane.settings)
    groups = [(name, list(found)) for name, found in groupby(sorted(rows, key=_group), key=_group)]
    health = sorted([*sources_for(actor, status), *status.chores], key=lambda each: each.is_ok)
    return visit.page(
        "settings.html",
        server=status,
        problem=problem_for(actor, status.configurations.problem),
        ends_soon=status.certificate_ends is not None and status.certificate_ends < status.now + _SOON,
        failing=[each for each in health if not each.is_ok],
        working=[each for each in health if each.is_ok],
        changed=[row for row in rows if not row.is_default],
        groups=groups,
    )


def _group(row: ShownSetting) -> str:
    return row.key.rpartition(".")[0] or "server"
