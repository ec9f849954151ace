"""A picture of text on a terminal, and a QR reader for it. Neither knows how the text was made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import zxingcpp
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from support import parts

FONT = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")
MARGIN = 2  # character cells of black around the text
_SEQUENCE = re.compile(r"\x1b\[([0-9;]*)m")


def screenshot(lines: Sequence[str]) -> Image.Image:
    """Draw white on black in DejaVu Sans Mono; the only colour sequence drawn is reverse video (7, 27, 0)."""
    font = ImageFont.truetype(parts.installed_file(FONT, "fonts-dejavu-core"), 16)
    wide, high = round(font.getlength("█")), sum(font.getmetrics())
    columns = max(sum(1 for _ in _cells(line)) for line in lines)
    image = Image.new("L", ((columns + 2 * MARGIN) * wide, (len(lines) + 2 * MARGIN) * high), 0)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines, MARGIN):
        for column, (character, reverse) in enumerate(_cells(line), MARGIN):
            at = (column * wide, row * high)
            if reverse:
                draw.rectangle((*at, at[0] + wide - 1, at[1] + high - 1), fill=255)
            draw.text(at, character, fill=0 if reverse else 255, font=font)
    return image


def read_qr(image: Image.Image, *, blur: int = 0) -> str | None:
    """Read the QR code in the image. ``blur`` is in pixels, as for a camera a few steps away."""
    seen = image.filter(ImageFilter.GaussianBlur(blur)) if blur else image
    found = zxingcpp.read_barcodes(
        seen, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]), try_invert=False
    )
    return str(found[0].text) if found else None


def _cells(line: str) -> Iterator[tuple[str, bool]]:
    reverse = False
    for index, part in enumerate(_SEQUENCE.split(line)):
        if index % 2:
            reverse = part == "7" or (reverse and part not in ("", "0", "27"))
        else:
            yield from ((character, reverse) for character in part)
