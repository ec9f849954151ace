"""The few files beside the pages. Their addresses name their content, so browsers keep them for good."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

_TYPES: Final = {
    "modern-normalize.css": "text/css; charset=utf-8",
    "pages.css": "text/css; charset=utf-8",
    "pages.js": "text/javascript; charset=utf-8",
    "account.css": "text/css; charset=utf-8",
    "passkeys.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str


@cache
def assets() -> dict[str, Asset]:
    """Every asset by its public name, ``pages.1a2b3c4d.css``."""
    return {_public_name(name, _read(name)): Asset(_read(name), media) for name, media in _TYPES.items()}


@cache
def address_of(name: str) -> str:
    """The path of an asset for a page; ``name`` is its file's."""
    return f"/static/{_public_name(name, _read(name))}"


@cache
def _read(name: str) -> bytes:
    return (resources.files("bootgrant.operator_plane") / "static" / name).read_bytes()


def _public_name(name: str, content: bytes) -> str:
    stem, _, suffix = name.rpartition(".")
    return f"{stem}.{hashlib.sha256(content).hexdigest()[:12]}.{suffix}"
