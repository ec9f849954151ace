"""ISO 9660 (ECMA-119) with Rock Ridge (SUSP ``NM``) and Joliet names: enough to read a file in the root folder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from bootgrant.acquire.disks.image import DiskError, Image, check_size, same_name, text

_SECTOR = 2048
_FIRST_DESCRIPTOR = 16
_MOST_DESCRIPTORS = 32
_LARGEST_DIRECTORY = 4 << 20
_PRIMARY, _SUPPLEMENTARY, _END = 1, 2, 255
_JOLIET = (b"%/@", b"%/C", b"%/E")
_EXTENT = struct.Struct("<2xI4xI")  # of a directory record: first sector, size in bytes
_FOLDER = 0x02


@dataclass(frozen=True, slots=True)
class _Entry:
    names: tuple[str, ...]
    sector: int
    size: int
    is_folder: bool


class Iso9660:
    """One volume. Joliet's tree is searched first, because it has the names that people gave."""

    def __init__(self, image: Image, descriptors: list[bytes]) -> None:
        self._image = image
        self._descriptors = sorted(descriptors, key=_is_joliet, reverse=True)
        self.labels = tuple(_label(descriptor) for descriptor in self._descriptors)

    def read(self, name: str, limit: int) -> bytes | None:
        for descriptor in self._descriptors:
            for entry in self._root_entries(descriptor):
                if not entry.is_folder and any(same_name(written, name) for written in entry.names):
                    check_size(name, entry.size, limit)
                    return self._image.read(entry.sector * _SECTOR, entry.size)
        return None

    def _root_entries(self, descriptor: bytes) -> Iterator[_Entry]:
        sector, size = _EXTENT.unpack_from(descriptor, 156)
        if size > _LARGEST_DIRECTORY:
            raise DiskError(f"the root folder has an implausible size of {size} bytes")
        for at in range(0, size, _SECTOR):
            yield from _records(self._image.read(sector * _SECTOR + at, _SECTOR), joliet=_is_joliet(descriptor))


def open_iso9660(image: Image) -> Iso9660 | None:
    """Open the volume on ``image``; None if it is not ISO 9660. Raises DiskError if the medium cannot be read."""
    found: list[bytes] = []
    for number in range(_MOST_DESCRIPTORS):
        descriptor = image.read((_FIRST_DESCRIPTOR + number) * _SECTOR, _SECTOR)
        if descriptor[1:6] != b"CD001" or descriptor[0] == _END:
            break
        if descriptor[0] == _PRIMARY or (descriptor[0] == _SUPPLEMENTARY and _is_joliet(descriptor)):
            found.append(descriptor)
    return Iso9660(image, found) if found else None


def _is_joliet(descriptor: bytes) -> bool:
    return descriptor[0] == _SUPPLEMENTARY and descriptor[88:91] in _JOLIET


def _label(descriptor: bytes) -> str:
    if _is_joliet(descriptor):
        return descriptor[40:72].decode("utf-16-be", "replace").rstrip("\0 ")
    return text(descriptor[40:72])


def _records(sector: bytes, *, joliet: bool) -> Iterator[_Entry]:
    """Yield the directory records of one sector; a length of 0 ends them."""
    at = 0
    while at + 34 <= len(sector) and sector[at] >= 34:
        record = sector[at : at + sector[at]]
        at += sector[at]
        name_end = 33 + record[32]
        if name_end > len(record):
            return
        extent, size = _EXTENT.unpack_from(record)
        names = tuple(_names(record, name_end, joliet=joliet))
        yield _Entry(names, extent, size, bool(record[25] & _FOLDER))


def _names(record: bytes, name_end: int, *, joliet: bool) -> Iterator[str]:
    name = record[33:name_end].decode("utf-16-be" if joliet else "ascii", "replace")
    yield name.partition(";")[0].rstrip(".")
    # The system use area starts at an even byte; an NM entry is "NM", length, version, flags, name.
    at = name_end + (name_end & 1)
    while not joliet and at + 4 <= len(record) and record[at + 2] >= 4:
        if record[at : at + 2] == b"NM":
            yield record[at + 5 : at + record[at + 2]].decode("utf-8", "replace")
        at += record[at + 2]
