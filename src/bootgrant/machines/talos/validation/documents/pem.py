"""PEM as Go reads it (``encoding/pem``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bootgrant.machines.talos.go_values import base64_bytes

_BEGIN: Final = "-----BEGIN "
_END: Final = "\n-----END "
_DASHES: Final = "-----"
CERTIFICATE: Final = "CERTIFICATE"


@dataclass(frozen=True, slots=True)
class Block:
    """A PEM block."""

    label: str
    has_headers: bool
    content: bytes = field(repr=False)


def pem_blocks(text: str) -> Iterator[Block]:
    """Yield the blocks that Go finds; text around them, and blocks that are not valid, are skipped."""
    start = 0
    while (end := text.find(_END, start)) >= 0:
        begin = text.rfind(_BEGIN, start, end)
        after = end + len(_END)
        if begin < 0 or (begin > start and text[begin - 1] != "\n"):
            start = after
            continue
        label, at = _line(text, begin + len(_BEGIN))
        block = _block(text, label, at, end)
        if block is None:
            start = after
            continue
        yield block
        _, start = _line(text, end + 1)


def _line(text: str, start: int) -> tuple[str, int]:
    """Return a line without the white space at its end, and where the next one starts."""
    end = text.find("\n", start)
    line = text[start:] if end < 0 else text[start:end].removesuffix("\r")
    return line.rstrip(" \t"), len(text) if end < 0 else end + 1


def _block(text: str, label: str, start: int, end: int) -> Block | None:
    """Return the block between the line after its label and its end, None if it is not valid."""
    if not label.endswith(_DASHES):
        return None
    has_headers = False
    line, following = _line(text, start)
    while ":" in line and start < len(text):
        has_headers = True
        start = following
        line, following = _line(text, start)
    last_line, _ = _line(text, end + len(_END))
    if last_line != label or (has_headers and start > end):
        return None
    try:
        content = base64_bytes(re.sub(r"[ \t]", "", text[start:end]))
    except ValueError:
        return None
    return Block(label.removesuffix(_DASHES), has_headers, content)
