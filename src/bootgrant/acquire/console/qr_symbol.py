"""segno, with its padding put right; imported only when there is a QR code to draw.

segno 1.6.6 adds a whole zero byte where the data already end at a byte (its issues 123 and 148), which in byte mode is
always. Such a symbol is readable, but strict readers object (ISO/IEC 18004 section 7.4.10) and it differs from the one
that Talos draws. The function is replaced for the whole process: it is the same everywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from segno import DataOverflowError, consts, encoder, make_qr

__all__ = ["DataOverflowError", "make_qr"]


class _Bits(Protocol):
    def extend(self, iterable: Iterable[int]) -> None: ...


def _write_padding_bits(buff: _Bits, version: int, length: int) -> None:
    """Zero bits up to the next whole byte (``buff`` holds a bit per item); Micro QR versions 1 and 3 need none."""
    if version not in (consts.VERSION_M1, consts.VERSION_M3):
        buff.extend([0] * (-length % 8))


encoder.write_padding_bits = _write_padding_bits
