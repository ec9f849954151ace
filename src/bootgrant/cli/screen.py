"""What a terminal can show: its width, colors, and signs. A file or a pipe gets plain text of any length."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

GOOD: Final = "32"
WARN: Final = "33"
BAD: Final = "1;33"
QUIET: Final = "2"
"""Colors, as parameters of the escape sequence SGR (ECMA-48)."""

_GAP: Final = "  "
_NARROWEST: Final = 9
"""A code fits."""


def add_color_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--color``."""
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto",
        help="when to use color (default: auto, on a terminal, unless NO_COLOR is set or TERM is dumb)",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Screen:
    """Where the output goes. ``width`` is 0 if lines may have any length; ``can_move``: its cursor can be moved."""

    width: int = 0
    has_color: bool = False
    has_signs: bool = False
    can_move: bool = False

    def paint(self, text: str, color: str) -> str:
        """Return the text in a color, if there are colors."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.has_color and color and text else text

    def sign(self, sign: str, text: str) -> str:
        """Return the text with a sign before it, if there are signs."""
        return f"{sign} {text}" if self.has_signs else text

    def cut(self, text: str, width: int) -> str:
        """Return plain text in at most ``width`` columns."""
        dots = "…" if self.has_signs else "..."
        return text if len(text) <= width else text[: max(0, width - len(dots))] + dots[:width]

    def table(
        self,
        head: tuple[str, ...],
        rows: Sequence[tuple[str, ...]],
        colors: Sequence[Mapping[int, str]] = (),
        whole: int = 0,
    ) -> str:
        """Format rows as aligned columns that fit the screen.

        The widest columns are cut, except the first ones (as many as ``whole``); if that is not enough, the last ones
        are left out. The cells are plain text. ``colors`` names the colors of some columns for each row.
        """
        lines = [head, *rows]
        widths = self._fitted([max(len(line[column]) for line in lines) for column in range(len(head))], whole)
        painted = [dict.fromkeys(range(len(head)), QUIET), *(colors or [{}] * len(rows))]
        return "\n".join(self._line(line, widths, paint) for line, paint in zip(lines, painted, strict=True))

    def _line(self, cells: tuple[str, ...], widths: Sequence[int], colors: Mapping[int, str]) -> str:
        shown = []
        for column, width in enumerate(widths):
            text = self.cut(cells[column], width)
            gap = " " * (width - len(text)) if column < len(widths) - 1 else ""
            shown.append(self.paint(text, colors.get(column, "")) + gap)
        return _GAP.join(shown).rstrip()

    def _fitted(self, widths: list[int], whole: int) -> list[int]:
        """Return the widths of the columns that fit the screen."""
        while self.width and _total(widths) > self.width and len(widths) > 1:
            widest = max(widths[whole:], default=0)
            if widest > _NARROWEST:
                widths[widths.index(widest, whole)] -= 1
            else:
                widths.pop()
        return widths


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def screen_of(out: TextIO, color: str, environ: Mapping[str, str] = os.environ) -> Screen:
    """Return what ``out`` can show. ``color`` is auto, always, or never."""
    is_terminal = out.isatty()
    is_smart = is_terminal and environ.get("TERM", "") not in ("", "dumb")
    has_color = color == "always" or (color == "auto" and is_smart and not environ.get("NO_COLOR"))
    has_signs = (is_terminal or color == "always") and _can_show("✓▲≈…", out)
    return Screen(shutil.get_terminal_size().columns if is_terminal else 0, has_color, has_signs, is_smart)


def standard_output(color: str = "auto") -> Screen:
    """Return what standard output can show."""
    return screen_of(sys.stdout, color)


def _can_show(text: str, out: TextIO) -> bool:
    try:
        text.encode(out.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
