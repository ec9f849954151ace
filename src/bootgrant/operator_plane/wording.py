"""The texts of the pages, all from ``texts/en/``, and times as people read them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources


@cache
def texts() -> Mapping[str, str]:
    """Return every text by its name, such as ``queue.title``. Each section is in one of the files.

    ``{names}`` are placeholders, and `backticks` mark code on error pages, in warnings and in leads. A text with
    ``_one`` is the singular of the one without.
    """
    folder = resources.files("bootgrant.operator_plane") / "texts" / "en"
    sections: dict[str, Mapping[str, str]] = {}
    for file in folder.iterdir():
        found = tomllib.loads(file.read_text("utf-8"))
        if twice := found.keys() & sections.keys():
            raise ValueError(f"the section {twice} is in two files of {folder}")
        sections |= found
    return {f"{group}.{name}": words for group, names in sections.items() for name, words in names.items()}


def text(name: str, /, **values: object) -> str:
    """Return a text with its ``{placeholders}`` filled in. Raises KeyError if there is no such text."""
    return texts()[name].format(**values)


def counted(name: str, count: int) -> str:
    """Return the text ``name`` for this number, or its singular ``name_one`` for 1."""
    return text(f"{name}_one" if count == 1 else name, count=count)


def sentence(words: str) -> str:
    """Add a capital letter and a full stop. A first word that is not purely letters, such as a name, stays as it is."""
    first = words.partition(" ")[0]
    begun = words[:1].upper() + words[1:] if first.isalpha() else words
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."


def span(seconds: float) -> str:
    """Format a duration as ``0:42``, ``9:18`` or ``1:02:03``. Negative durations become zero."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spoken_span(seconds: float) -> str:
    """Format a duration for a sentence as ``42 s``, ``9 min`` or ``2 h``, rounded up."""
    whole = max(1, int(seconds + 0.999))
    if whole < 120:
        return f"{whole} s"
    return f"{-(-whole // 60)} min" if whole < 2 * 3600 else f"{-(-whole // 3600)} h"


def clock_time(at: float) -> str:
    """Format a time as ``20:14:07 UTC``, the zone that the machine's console uses."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def machine_time(at: float) -> str:
    """Format a time as ``2026-11-24T20:14:07Z``, for the attribute of a ``time`` element."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_time(at: float) -> str:
    """Format a time as ``2026-11-24 20:14:07 UTC``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(at: float) -> str:
    """Format a day as ``24 Nov 2026``, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%-d %b %Y")
