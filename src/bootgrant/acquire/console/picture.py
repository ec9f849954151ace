"""The QR code that suits a medium: which style, which quiet zone, or a line that says why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from bootgrant.acquire.console import QrChoice, qr
from bootgrant.acquire.console.qr import QrStyle

UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class Picture:
    """``lines`` of the drawing, empty without one; then ``notice`` may say why."""

    lines: tuple[str, ...] = ()
    notice: str = ""


def draw(url: str, choice: QrChoice, *, blocks: bool, rooms: tuple[tuple[int, int], ...]) -> Picture:
    """The code for ``url`` in the first of ``rooms`` (columns, lines) that can hold it.

    ``blocks``: whether the medium can show block characters. Without a fitting room there is a notice and no drawing:
    a code that is wrapped or has scrolled off reads as noise.
    """
    if not url or choice == "none":
        return Picture()
    modules = qr.encode(url)
    if modules is None:
        return Picture(notice="[OAuth] no QR code: the URL is too long for one")
    style = _style(choice, blocks=blocks)
    for columns, lines in rooms:
        quiet_zone = qr.fitting_quiet_zone(modules, style, columns, lines)
        if quiet_zone is not None:
            return Picture(tuple(qr.render(modules, style, quiet_zone)))
    wide, high = qr.size(modules, style, qr.QUIET_ZONES[-1])
    columns, lines = rooms[-1]
    lack = f"{wide} columns" if wide > columns else f"{high} lines beside the text"
    return Picture(notice=f"[OAuth] no QR code: it needs {lack}, and this console has fewer")


def draw_as_talos(url: str) -> Picture:
    """The half-block drawing with its whole quiet zone, whatever the size of the console."""
    modules = qr.encode(url) if url else None
    return Picture() if modules is None else Picture(tuple(qr.render(modules, QrStyle.HALF)))


def can_show_blocks(stream: TextIO) -> bool:
    """Whether the stream's encoding has the block characters."""
    try:
        "█▀▄".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _style(choice: QrChoice, *, blocks: bool) -> QrStyle:
    if choice in ("half", "full", "ascii") and (blocks or choice == "ascii"):
        return QrStyle(choice)
    return QrStyle.HALF if blocks else QrStyle.ASCII
