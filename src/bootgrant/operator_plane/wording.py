"""What the pages say, in one place (``texts/en.toml``), and times as a person reads them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources


@cache
def texts() -> Mapping[str, str]:
    """Every text by its name, ``queue.title``."""
    source = (resources.files("bootgrant.operator_plane") / "texts" / "en.toml").read_text("utf-8")
    return {f"{group}.{name}": words for group, names in tomllib.loads(source).items() for name, words in names.items()}


def text(name: str, /, **values: object) -> str:
    """The text of this name, with ``{placeholders}`` filled in. Raises KeyError for what is not there."""
    return texts()[name].format(**values)


def counted(name: str, count: int) -> str:
    """The text ``name`` for this many: its form ``name_one`` for one of them."""
    return text(f"{name}_one" if count == 1 else name, count=count)


def sentence(words: str) -> str:
    """With a capital letter and a full stop; a name at the beginning stays as it is written."""
    first = words.partition(" ")[0]
    begun = words[:1].upper() + words[1:] if first.isalpha() else words
    return begun if begun.endswith((".", "?", "!")) else f"{begun}."


def span(seconds: float) -> str:
    """``0:42``, ``9:18`` or ``1:02:03``; never negative."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spoken_span(seconds: float) -> str:
    """``42 s``, ``9 min`` or ``2 h``, rounded up: a wait, said in a sentence."""
    whole = max(1, int(seconds + 0.999))
    if whole < 120:
        return f"{whole} s"
    return f"{-(-whole // 60)} min" if whole < 2 * 3600 else f"{-(-whole // 3600)} h"


def clock_time(at: float) -> str:
    """``20:14:07 UTC``, the zone of the machine's own console."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")


def machine_time(at: float) -> str:
    """``2026-11-24T20:14:07Z``, for the attribute of a ``time`` element."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day_time(at: float) -> str:
    """``2026-11-24 20:14:07 UTC``."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def day(at: float) -> str:
    """``24 Nov 2026``, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%-d %b %Y")
