"""FAT12, FAT16 and FAT32 with long names: enough to read a file in the root folder.

Source: Microsoft's "FAT32 File System Specification", version 1.03.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bootgrant.acquire.disks.image import DiskError, Image, check_size, same_name, text

_BOOT = struct.Struct("<11xHBHBHHxHHHII")
_ENTRY = struct.Struct("<11sB8xH4xHI")  # short name, attributes, high cluster, low cluster, size
_LONG_NAME, _VOLUME, _FOLDER = 0x0F, 0x08, 0x10
_LARGEST_FOLDER = 4 << 20
_SECTOR_SIZES = (512, 1024, 2048, 4096)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Positions and sizes in bytes; ``bits`` is the width of a FAT entry, ``clusters`` the highest cluster plus one."""

    cluster_size: int
    fat_start: int
    root_start: int
    root_size: int
    root_cluster: int
    data_start: int
    clusters: int
    bits: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    attributes: int
    cluster: int
    size: int


class Fat:
    """One volume."""

    def __init__(self, image: Image, layout: _Layout, boot_label: str) -> None:
        self._image = image
        self._layout = layout
        written = [entry.name for entry in self._root() if entry.attributes & _VOLUME]
        self.labels = tuple(dict.fromkeys([*written[:1], boot_label]))

    def read(self, name: str, limit: int) -> bytes | None:
        for entry in self._root():
            if not entry.attributes & (_VOLUME | _FOLDER) and same_name(entry.name, name):
                check_size(name, entry.size, limit)
                return self._chain(entry.cluster, entry.size)
        return None

    def _root(self) -> Iterator[_Entry]:
        layout = self._layout
        if layout.bits == 32:
            content = self._chain(layout.root_cluster, None)
        else:
            content = self._image.read(layout.root_start, layout.root_size)
        return _entries(content)

    def _chain(self, cluster: int, size: int | None) -> bytes:
        """Read the first ``size`` bytes of the chain that starts at ``cluster``, or all of it (a folder)."""
        layout = self._layout
        most = _LARGEST_FOLDER if size is None else size
        parts: list[bytes] = []
        got = 0
        while got < most and 2 <= cluster < layout.clusters:
            parts.append(self._image.read(layout.data_start + (cluster - 2) * layout.cluster_size, layout.cluster_size))
            got += layout.cluster_size
            cluster = self._next(cluster)
        if size is not None and got < size:
            raise DiskError("a file is shorter than its size")
        return b"".join(parts)[:most]

    def _next(self, cluster: int) -> int:
        start, bits = self._layout.fat_start, self._layout.bits
        if bits == 12:
            pair = int.from_bytes(self._image.read(start + cluster * 3 // 2, 2), "little")
            return pair >> 4 if cluster & 1 else pair & 0xFFF
        width = bits // 8
        return int.from_bytes(self._image.read(start + cluster * width, width), "little") & 0x0FFFFFFF


def open_fat(image: Image) -> Fat | None:
    """Open the volume on ``image``; None if it is not FAT. Raises DiskError if the medium cannot be read."""
    boot = image.read(0, 512)
    if boot[510:] != b"\x55\xaa" or boot[0] not in (0xEB, 0xE9):
        return None
    layout = _layout(boot)
    if layout is None:
        return None
    label = text(boot[71:82] if layout.bits == 32 else boot[43:54])
    return Fat(image, layout, label)


def _layout(boot: bytes) -> _Layout | None:
    sector, per_cluster, reserved, fats, root_entries, small, fat16, _, _, _, large = _BOOT.unpack_from(boot)
    fat_sectors = fat16 or int.from_bytes(boot[36:40], "little")
    if sector not in _SECTOR_SIZES or per_cluster.bit_count() != 1 or not reserved or not fats or not fat_sectors:
        return None
    root_start = (reserved + fats * fat_sectors) * sector
    root_size = root_entries * 32
    data_start = root_start + -(-root_size // sector) * sector
    count = ((small or large) * sector - data_start) // (per_cluster * sector)
    bits = 12 if count < 4085 else 16 if count < 65525 else 32
    if (bits == 32) == bool(root_entries):
        return None
    return _Layout(
        cluster_size=per_cluster * sector,
        fat_start=reserved * sector,
        root_start=root_start,
        root_size=root_size,
        root_cluster=int.from_bytes(boot[44:48], "little"),
        data_start=data_start,
        clusters=count + 2,
        bits=bits,
    )


def _entries(content: bytes) -> Iterator[_Entry]:
    """Yield folder entries with their long names. A long name precedes its entry, last part first."""
    long_name: list[str] = []
    for at in range(0, len(content) - 31, 32):
        raw = content[at : at + 32]
        short, attributes, high, low, size = _ENTRY.unpack(raw)
        if short[0] == 0:
            return
        if short[0] == 0xE5:
            long_name = []
        elif attributes & 0x3F == _LONG_NAME:
            part = (raw[1:11] + raw[14:26] + raw[28:32]).decode("utf-16-le", "replace")
            long_name.insert(0, part.partition("\0")[0])
        else:
            name = "".join(long_name) or _short_name(short, attributes)
            yield _Entry(name, attributes, high << 16 | low, size)
            long_name = []


def _short_name(short: bytes, attributes: int) -> str:
    if attributes & _VOLUME:
        return text(short)
    base, extension = text(short[:8]), text(short[8:])
    return f"{base}.{extension}" if extension else base
