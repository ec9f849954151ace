"""Templates rendered to HTML, and the static files. Templates escape every value; none of them opts out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.responses import HTMLResponse

from bootgrant.operator_plane import wording
from bootgrant.operator_plane.frame import Frame
from bootgrant.operator_plane.visible import show

_OF_TIMES: Final = (
    wording.span,
    wording.spoken_span,
    wording.clock_time,
    wording.day_time,
    wording.day,
    wording.machine_time,
)
_FILTERS: Final = {"shown": show, "sentence": wording.sentence, **{each.__name__: each for each in _OF_TIMES}}
_TYPES: Final = {
    "modern-normalize.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "passkeys.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_JOINED: Final = {"pages.css": "pages", "pages.js": "scripts"}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Return every static file by its public name, such as ``pages.1a2b3c4d.css``.

    The name contains a digest of the content, so browsers may cache a file forever.
    """
    return {_public_name(name, _read(name)): Asset(_read(name), media) for name, media in _TYPES.items()}


@cache
def asset_path(name: str) -> str:
    """Return the URL path of the static file ``name``."""
    return f"/static/{_public_name(name, _read(name))}"


def render(
    template: str,
    values: Mapping[str, object],
    frame: Frame,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page in its frame. The forms of its template use ``csrf``."""
    page = _environment().get_template(template).render(values, frame=frame, operator=frame.operator, csrf=frame.csrf)
    return HTMLResponse(page, status, headers)


def worded(name: str, /, **values: object) -> str:
    """Return a text as ``wording.text`` does. With a value that is markup, such as a time, the result is markup."""
    if not any(isinstance(value, Markup) for value in values.values()):
        return wording.text(name, **values)
    return escape(wording.texts()[name]).format(**values)


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
    environment.globals.update(static=asset_path, t=worded, counted=wording.counted)
    return environment


@cache
def _read(name: str) -> bytes:
    """Return a static file. ``pages.css`` and ``pages.js`` are the files of a folder, one after another."""
    static = resources.files("bootgrant.operator_plane") / "static"
    if name not in _JOINED:
        return (static / name).read_bytes()
    return b"\n".join(file.read_bytes() for file in sorted((static / _JOINED[name]).iterdir(), key=_file_name))


def _file_name(file: Traversable) -> str:
    return file.name


def _public_name(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
