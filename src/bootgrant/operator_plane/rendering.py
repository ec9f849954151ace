"""Templates to HTML. Everything is escaped unless a template of ours says otherwise, and none does."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from bootgrant.operator_plane.assets import address_of
from bootgrant.operator_plane.visible import show
from bootgrant.operator_plane.wording import (
    clock_time,
    counted,
    day,
    day_time,
    machine_time,
    sentence,
    span,
    spoken_span,
    text,
)

_FILTERS: Final = {
    "shown": show,
    "span": span,
    "spoken_span": spoken_span,
    "clock_time": clock_time,
    "day_time": day_time,
    "day": day,
    "sentence": sentence,
    "machine_time": machine_time,
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bootgrant.operator_plane"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(_FILTERS)
    environment.globals.update(static=address_of, t=text, counted=counted)
    return environment


def render(
    template: str,
    values: Mapping[str, object],
    *,
    operator: str | None = None,
    csrf: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """The page of a template. ``operator`` and ``csrf`` (of their session) put the menu into its head."""
    page = _environment().get_template(template).render(values, operator=operator, csrf=csrf)
    return HTMLResponse(page, status, headers)
