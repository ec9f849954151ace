"""Checked random access to the bytes of a medium, which is hostile input."""

from __future__ import annotations

import os
from typing import Protocol


class DiskError(Exception):
    """The medium cannot be read, or its filesystem is broken or unsupported; the text says which."""


class Filesystem(Protocol):
    """A recognised filesystem: its labels and the files in its root folder."""

    labels: tuple[str, ...]

    def read(self, name: str, limit: int) -> bytes | None:
        """Read the file ``name`` in the root folder (case ignored); None if there is none.

        Raises DiskError if it is larger than ``limit`` bytes or the filesystem is broken.
        """


class Image:
    """Read-only access to a block device or an image file. The caller closes the file descriptor."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, offset: int, size: int) -> bytes:
        """Read exactly ``size`` bytes at ``offset``. Raises DiskError past the end or if the medium fails."""
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


def check_size(name: str, size: int, limit: int) -> None:
    """Raise DiskError for a file that is larger than ``limit``."""
    if size > limit:
        raise DiskError(f"{name} has {size} bytes, more than the limit of {limit}")


def same_name(written: str, wanted: str) -> bool:
    """Compare names without case, because people create media on many systems."""
    return written.casefold() == wanted.casefold()


def text(content: bytes) -> str:
    """Decode a label or name without its padding."""
    return content.decode("utf-8", "replace").rstrip("\0 ")
