"""QR codes as lines of text, in three styles, sized to the space that a console has.

All styles draw the light modules in the foreground colour, as Talos does (qrterminal), because a console is dark. The
symbol is also that of Talos: error level L, mask 0 and, in its own style, a quiet zone of four modules.
"""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, TextIO, assert_never

from bootgrant.acquire.console import QrChoice

Modules = tuple[bytes, ...]  # one row per entry, one byte per module, 1 = dark

QUIET_ZONES: Final = (4, 3, 2, 1)
"""Light modules around the symbol. ISO/IEC 18004 asks for four, but readers manage with one on a small screen."""
ASCII_LIGHT: Final = "@@"
"""The printable ASCII character with the most ink, because a reader has to see a filled square."""
UNLIMITED: Final = 10_000
_ALPHANUMERIC: Final = frozenset(string.digits + string.ascii_uppercase + " $%*+-./:")


class QrStyle(StrEnum):
    """HALF draws two rows of modules per line, FULL two columns per module, ASCII the same without block characters."""

    HALF = "half"
    FULL = "full"
    ASCII = "ascii"


@dataclass(frozen=True, slots=True)
class Picture:
    """The lines of a drawing. Without lines, ``notice`` may explain why there is no drawing."""

    lines: tuple[str, ...] = ()
    notice: str = ""


def draw(url: str, choice: QrChoice, blocks: bool, spaces: tuple[tuple[int, int], ...]) -> Picture:
    """Draw the code for ``url`` in the first of ``spaces`` (columns, lines) that it fits, or explain why it fits none.

    ``blocks`` is whether the medium can show block characters.
    """
    if not url or choice == "none":
        return Picture()
    modules = encode(url)
    if modules is None:
        return Picture(notice="[OAuth] no QR code: the URL is too long for one")
    style = _style(choice, blocks=blocks)
    for columns, lines in spaces:
        quiet_zone = fitting_quiet_zone(modules, style, columns, lines)
        if quiet_zone is not None:
            return Picture(tuple(render(modules, style, quiet_zone)))
    wide, high = size(modules, style, QUIET_ZONES[-1])
    columns, lines = spaces[-1]
    needed = f"{wide} columns" if wide > columns else f"{high} lines below the text"
    return Picture(notice=f"[OAuth] no QR code: it needs {needed}, and this console has fewer")


def draw_as_talos(url: str) -> Picture:
    """Draw in half blocks with the full quiet zone, whatever the size of the console."""
    modules = encode(url) if url else None
    return Picture() if modules is None else Picture(tuple(render(modules, QrStyle.HALF)))


def can_show_blocks(stream: TextIO) -> bool:
    """Whether the stream's encoding has the block characters."""
    try:
        "█▀▄".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def encode(text: str) -> Modules | None:
    """Return the symbol for ``text`` (UTF-8), or None if it does not fit in a QR code (2953 bytes)."""
    from segno import DataOverflowError, encoder, make_qr  # imported only when there is a code to draw

    # segno 1.6.6 adds a whole zero byte where the data already end at a byte (its issues 123 and 148), which is always
    # the case in byte mode. Such a symbol can be read, but strict readers object (ISO/IEC 18004 section 7.4.10) and it
    # differs from the one that Talos draws. The replacement is the same in every other case.
    encoder.write_padding_bits = _write_padding_bits
    mode = None if text and set(text) <= _ALPHANUMERIC else "byte"
    try:
        symbol = make_qr(text.encode("utf-8", "replace"), error="L", mode=mode, mask=0, boost_error=False)
    except DataOverflowError:
        return None
    return tuple(bytes(row) for row in symbol.matrix)


class _Bits(Protocol):
    def extend(self, iterable: Iterable[int]) -> None: ...


def _write_padding_bits(buff: _Bits, version: int, length: int) -> None:
    """Add zero bits up to the next whole byte (``buff`` holds a bit per item), except for Micro QR versions 1 and 3."""
    from segno import consts

    if version not in (consts.VERSION_M1, consts.VERSION_M3):
        buff.extend([0] * (-length % 8))


def size(modules: Modules, style: QrStyle, quiet_zone: int) -> tuple[int, int]:
    """The columns and lines that ``render`` produces."""
    side = len(modules) + 2 * quiet_zone
    return (side, (side + 1) // 2) if style is QrStyle.HALF else (2 * side, side)


def fitting_quiet_zone(modules: Modules, style: QrStyle, columns: int, lines: int) -> int | None:
    """The widest quiet zone with which the symbol fits, or None."""
    for quiet_zone in QUIET_ZONES:
        wide, high = size(modules, style, quiet_zone)
        if wide <= columns and high <= lines:
            return quiet_zone
    return None


def render(modules: Modules, style: QrStyle, quiet_zone: int = 4) -> list[str]:
    """The lines of the drawing, all of the same length, without prefixes and line ends."""
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


def _style(choice: QrChoice, *, blocks: bool) -> QrStyle:
    if choice in ("half", "full", "ascii") and (blocks or choice == "ascii"):
        return QrStyle(choice)
    return QrStyle.HALF if blocks else QrStyle.ASCII
