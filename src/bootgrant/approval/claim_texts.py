"""Texts of a provider as people may read them: quoted, printable and limited, without tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_VALUES: Final = 10
_LENGTH: Final = 64
_TOKEN: Final = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*")


def listed(texts: Iterable[str], most: int = _VALUES) -> str:
    """Return the first texts, quoted, and how many more there are; empty for none."""
    everything = list(texts)
    shown = ", ".join(quoted(text) for text in everything[:most])
    more = len(everything) - most
    return f"{shown} and {more} more" if more > 0 else shown


def quoted(text: str) -> str:
    """Return a text of the provider in quotation marks, printable and cut. A token is not shown."""
    return '"(a token, not shown)"' if _TOKEN.match(text) else f'"{plain(text)}"'


def plain(text: str, most: int = _LENGTH) -> str:
    """Return a text of the provider without characters that cannot be seen, cut after ``most``."""
    return cut("".join(each if each.isprintable() else ascii(each)[1:-1] for each in text[: most + 1]), most)


def cut(text: str, most: int) -> str:
    """Return a text of at most ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
