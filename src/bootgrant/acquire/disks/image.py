"""Bytes of a disk, read at a place, with every read checked: what is on a medium is hostile until understood."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import Protocol


class DiskError(Exception):
    """The medium cannot be read, or holds no filesystem as this program understands it; the text says which."""


class Filesystem(Protocol):
    """A filesystem that was recognised: its labels, and the files in its root folder."""

    labels: tuple[str, ...]

    def read(self, name: str, limit: int) -> bytes | None:
        """The file ``name`` in the root folder (ASCII case ignored), None when there is none.

        Raises DiskError when it is larger than ``limit`` bytes or the filesystem is broken.
        """


class Image:
    """Read-only random access to a block device or an image file; it does not own the file descriptor."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Exactly ``size`` bytes at ``offset``. Raises DiskError beyond the end or when the medium fails."""
        parts: list[bytes] = []
        while size > 0:
            try:
                part = os.pread(self._descriptor, min(size, 1 << 20), offset)
            except (OSError, OverflowError) as error:
                raise DiskError(f"cannot read at byte {offset}: {error}") from error
            if not part:
                raise DiskError(f"the medium ends at byte {offset}")
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
        return b"".join(parts)

    def unpack(self, form: struct.Struct, offset: int) -> tuple[int, ...]:
        """The numbers of ``form`` at ``offset``."""
        return form.unpack(self.read(offset, form.size))


def check_size(name: str, size: int, limit: int) -> None:
    """Refuse a file that is larger than what the caller takes."""
    if size > limit:
        raise DiskError(f"{name} has {size} bytes, more than the {limit} that are taken")


def same_name(written: str, wanted: str) -> bool:
    """Media are written by hand on many systems: case does not count."""
    return written.casefold() == wanted.casefold()


def text(content: bytes) -> str:
    """A label as people see it, without its padding."""
    return content.decode("utf-8", "replace").rstrip("\0 ")


def chunks(content: bytes, size: int) -> Iterator[bytes]:
    """``content`` in pieces of ``size`` bytes, without an incomplete last one."""
    for at in range(0, len(content) - size + 1, size):
        yield content[at : at + size]
