"""A QR code as lines of text, in three styles, sized to the space there is.

All styles draw the light modules with the foreground colour, as Talos does (qrterminal), because a console is dark.
The symbol is Talos's too: error level L, mask 0, and in its way of output a quiet zone of four modules.
"""

from __future__ import annotations

import string
from enum import StrEnum
from typing import assert_never

Modules = tuple[bytes, ...]  # one row per entry, one byte per module, 1 = dark

# ISO/IEC 18004 asks for four light modules around the symbol. Readers manage with one, and on a small screen a code
# that is there beats one that is not.
QUIET_ZONES = (4, 3, 2, 1)
# The printable ASCII character with the most ink: a reader has to take it for a filled square.
ASCII_LIGHT = "@@"
_ALPHANUMERIC = frozenset(string.digits + string.ascii_uppercase + " $%*+-./:")


class QrStyle(StrEnum):
    """HALF: two rows of modules per line. FULL: two columns per module. ASCII: as FULL, without a block character."""

    HALF = "half"
    FULL = "full"
    ASCII = "ascii"


def encode(text: str) -> Modules | None:
    """The symbol for ``text`` (UTF-8), None when it is longer than a QR code can hold (2953 bytes)."""
    from bootgrant.acquire.console.qr_symbol import DataOverflowError, make_qr

    mode = None if text and set(text) <= _ALPHANUMERIC else "byte"
    try:
        symbol = make_qr(text.encode("utf-8", "replace"), error="L", mode=mode, mask=0, boost_error=False)
    except DataOverflowError:
        return None
    return tuple(bytes(row) for row in symbol.matrix)


def size(modules: Modules, style: QrStyle, quiet_zone: int) -> tuple[int, int]:
    """Columns and lines that ``render`` takes."""
    side = len(modules) + 2 * quiet_zone
    return (side, (side + 1) // 2) if style is QrStyle.HALF else (2 * side, side)


def fitting_quiet_zone(modules: Modules, style: QrStyle, columns: int, lines: int) -> int | None:
    """The widest quiet zone with which the symbol fits; None when it fits with none of them."""
    for quiet_zone in QUIET_ZONES:
        wide, high = size(modules, style, quiet_zone)
        if wide <= columns and high <= lines:
            return quiet_zone
    return None


def render(modules: Modules, style: QrStyle, quiet_zone: int = 4) -> list[str]:
    """The lines, all of the same length, without prefixes and without line ends."""
    light = _light_rows(modules, quiet_zone)
    match style:
        case QrStyle.HALF:
            dark_row = [False] * len(light)
            below = [*light[1::2], dark_row] if len(light) % 2 else light[1::2]
            pairs = zip(light[::2], below, strict=True)
            return ["".join(map(_half_block, upper, lower)) for upper, lower in pairs]
        case QrStyle.FULL:
            return ["".join("██" if module else "  " for module in row) for row in light]
        case QrStyle.ASCII:
            return ["".join(ASCII_LIGHT if module else "  " for module in row) for row in light]
        case _:
            assert_never(style)


def _half_block(upper: bool, lower: bool) -> str:
    return (" ", "▄", "▀", "█")[2 * upper + lower]


def _light_rows(modules: Modules, quiet_zone: int) -> list[list[bool]]:
    side = len(modules) + 2 * quiet_zone
    margin = [True] * quiet_zone
    edge = [[True] * side for _ in range(quiet_zone)]
    return [*edge, *([*margin, *(not module for module in row), *margin] for row in modules), *edge]
