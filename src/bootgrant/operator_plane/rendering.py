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
from starlette.responses import HTMLResponse

from bootgrant.operator_plane import wording
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
    "push.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
    **dict.fromkeys(("icon-192.png", "icon-512.png", "icon-maskable-192.png", "icon-maskable-512.png"), "image/png"),
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


def static_file(name: str) -> bytes:
    """Return a static file that has an address of its own."""
    return _read(name)


@cache
def asset_path(name: str) -> str:
    """Return the URL path of the static file ``name``."""
    return f"/static/{_public_name(name, _read(name))}"


def render(
    template: str,
    values: Mapping[str, object],
    *,
    operator: str | None = None,
    csrf: str = "",
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """Render a page. With ``operator`` its header contains the menu, whose forms use ``csrf``."""
    page = _environment().get_template(template).render(values, operator=operator, csrf=csrf)
    return HTMLResponse(page, status, headers)


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
    environment.globals.update(static=asset_path, t=wording.text, counted=wording.counted)
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
