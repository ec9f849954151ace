"""A file on the medium that carries a label: ``talos.config=metal-iso`` and the like.

The filesystems are read here, not mounted: that works without root rights, without the kernel's modules (an initramfs
seldom has isofs), leaves nothing mounted behind, and gives a hostile medium no kernel code to attack.
Source: Talos ``platform/metal/metal.go`` (readConfigFromISO).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bootgrant.acquire.disks.ext import open_ext
from bootgrant.acquire.disks.fat import open_fat
from bootgrant.acquire.disks.image import DiskError, Filesystem, Image
from bootgrant.acquire.disks.iso9660 import open_iso9660

__all__ = ["DiskError", "read_labelled"]

_BLOCK = Path("sys/class/block")
# No medium with a configuration is on these, and opening a floppy drive takes seconds.
_NEVER = ("ram", "zram", "fd", "dm-", "md", "nbd")


def read_labelled(root: Path, label: str, name: str, limit: int) -> tuple[bytes, str] | None:
    """The file ``name`` in the root folder of the filesystem ``label`` (case ignored), and the device it was on.

    None when no medium has that label and that file. A medium that cannot be read or understood is passed over; one
    with the right label that is broken, or whose file has more than ``limit`` bytes, raises DiskError.
    """
    for device in _devices(root):
        try:
            descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            content = _read(Image(descriptor), label, name, limit)
        finally:
            os.close(descriptor)
        if content is not None:
            return content, str(device)
    return None


def _read(image: Image, label: str, name: str, limit: int) -> bytes | None:
    filesystem = _recognise(image)
    if filesystem is None or label.casefold() not in (known.casefold() for known in filesystem.labels):
        return None
    return filesystem.read(name, limit)


def _recognise(image: Image) -> Filesystem | None:
    for open_filesystem in (open_iso9660, open_ext, open_fat):
        try:
            found = open_filesystem(image)
        except DiskError:
            continue
        if found is not None:
            return found
    return None


def _devices(root: Path) -> Iterator[Path]:
    try:
        names = sorted(entry.name for entry in (root / _BLOCK).iterdir())
    except OSError:
        return
    for name in names:
        if not name.startswith(_NEVER) and _has_medium(root / _BLOCK / name):
            yield root / "dev" / name.replace("!", "/")


def _has_medium(block: Path) -> bool:
    try:
        return (block / "size").read_text(encoding="ascii").strip() != "0"
    except (OSError, ValueError):
        return False
