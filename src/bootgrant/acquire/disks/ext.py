"""ext2, ext3 and ext4: enough to read a file in the root folder; the journal is not replayed.

Source: the kernel's Documentation/filesystems/ext4.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from bootgrant.acquire.disks.image import DiskError, Image, check_size, same_name, text

_SUPERBLOCK = 1024
_MAGIC = 0xEF53
_ROOT_INODE = 2
_LARGEST_FOLDER = 4 << 20
_INCOMPAT_FILETYPE, _INCOMPAT_EXTENTS, _INCOMPAT_64BIT = 0x2, 0x40, 0x80
_INODE_EXTENTS = 0x80000
_EXTENT_MAGIC = 0xF30A
_EXTENT_HEADER = struct.Struct("<HHHH4x")  # magic, entries, most entries, depth
_EXTENT = struct.Struct("<IHHI")  # first block of the file, blocks, where (high 16 bits), where (low 32 bits)
_INDEX = struct.Struct("<IIH2x")  # first block of the file, where (low), where (high)
_FOLDER_ENTRY = struct.Struct("<IHBB")  # inode, length, name length, type
_UNWRITTEN = 0x8000
# A file of 16 MiB in blocks of 1 KiB has at most 200 extent nodes or so; a tree crafted to hang its reader has more.
_MOST_NODES = 4096
_REGULAR, _TYPE = 0x8000, 0xF000


class Ext:
    """One filesystem."""

    def __init__(self, image: Image, superblock: bytes) -> None:
        def number(offset: int, size: int = 4) -> int:
            return int.from_bytes(superblock[offset : offset + size], "little")

        self._image = image
        self.labels: tuple[str, ...] = (text(superblock[120:136]),)
        self._nodes_left = _MOST_NODES
        self._block = 1024 << min(number(24), 6)
        self._first_data_block = number(20)
        self._inodes_per_group = number(40)
        old = number(76) == 0
        self._inode_size = 128 if old else number(88, 2)
        self._descriptor_size = max(32, number(254, 2)) if number(96) & _INCOMPAT_64BIT else 32
        if not self._inodes_per_group or self._inode_size < 128:
            raise DiskError("the superblock of the ext filesystem is broken")

    def read(self, name: str, limit: int) -> bytes | None:
        for number, written in self._root():
            if same_name(written, name):
                inode = self._inode(number)
                if int.from_bytes(inode[:2], "little") & _TYPE == _REGULAR:
                    check_size(name, _size(inode), limit)
                    return self._content(inode, _size(inode))
        return None

    def _root(self) -> Iterator[tuple[int, str]]:
        inode = self._inode(_ROOT_INODE)
        size = _size(inode)
        if size > _LARGEST_FOLDER:
            raise DiskError(f"the root folder has an implausible size of {size} bytes")
        content = self._content(inode, size)
        at = 0
        while at + _FOLDER_ENTRY.size <= len(content):
            number, length, name_length, _ = _FOLDER_ENTRY.unpack_from(content, at)
            if length < _FOLDER_ENTRY.size:
                return
            start = at + _FOLDER_ENTRY.size
            if number:
                yield number, content[start : start + name_length].decode("utf-8", "replace")
            at += length

    def _inode(self, number: int) -> bytes:
        group, index = divmod(number - 1, self._inodes_per_group)
        descriptor_at = (self._first_data_block + 1) * self._block + group * self._descriptor_size
        descriptor = self._image.read(descriptor_at, self._descriptor_size)
        table = int.from_bytes(descriptor[8:12], "little")
        if self._descriptor_size >= 64:
            table |= int.from_bytes(descriptor[40:44], "little") << 32
        return self._image.read(table * self._block + index * self._inode_size, 128)

    def _content(self, inode: bytes, size: int) -> bytes:
        content = bytearray(size)
        count = -(-size // self._block)
        self._nodes_left = _MOST_NODES
        for seen, (position, block) in enumerate(self._blocks(inode, count)):
            if seen >= count:
                raise DiskError("a file's extents name a block twice")
            at = position * self._block
            content[at : at + self._block] = self._image.read(block * self._block, min(self._block, size - at))
        return bytes(content)

    def _blocks(self, inode: bytes, count: int) -> Iterator[tuple[int, int]]:
        """Position in the file and block on the disk, for the first ``count`` blocks that are not holes."""
        if int.from_bytes(inode[32:36], "little") & _INODE_EXTENTS:
            yield from self._extents(inode[40:100], count, 5)
            return
        pointers = struct.unpack("<15I", inode[40:100])
        position = 0
        for depth, pointer in [(0, pointer) for pointer in pointers[:12]] + list(enumerate(pointers[12:], 1)):
            if position >= count:
                return
            yield from self._pointed(pointer, depth, position, count)
            position += (self._block // 4) ** depth

    def _pointed(self, pointer: int, depth: int, position: int, count: int) -> Iterator[tuple[int, int]]:
        if not pointer:
            return
        if depth == 0:
            yield position, pointer
            return
        step = (self._block // 4) ** (depth - 1)
        pointers = struct.unpack(f"<{self._block // 4}I", self._image.read(pointer * self._block, self._block))
        for index, lower in enumerate(pointers):
            if position + index * step >= count:
                return
            yield from self._pointed(lower, depth - 1, position + index * step, count)

    def _extents(self, node: bytes, count: int, most_depth: int) -> Iterator[tuple[int, int]]:
        magic, entries, _, depth = _EXTENT_HEADER.unpack_from(node)
        if magic != _EXTENT_MAGIC or depth > most_depth or (entries + 1) * 12 > len(node):
            raise DiskError("a file's extents are broken")
        for index in range(entries):
            at = 12 * (index + 1)
            if depth:
                self._nodes_left -= 1
                if self._nodes_left < 0:
                    raise DiskError("a file has too many extents")
                _, low, high = _INDEX.unpack_from(node, at)
                lower = self._image.read((high << 32 | low) * self._block, self._block)
                yield from self._extents(lower, count, depth - 1)
                continue
            first, length, high, low = _EXTENT.unpack_from(node, at)
            if length > _UNWRITTEN:
                continue
            for step in range(max(0, min(length, count - first))):
                yield first + step, (high << 32 | low) + step


def _size(inode: bytes) -> int:
    return int.from_bytes(inode[4:8], "little") | int.from_bytes(inode[108:112], "little") << 32


def open_ext(image: Image) -> Ext | None:
    """Open the filesystem on ``image``; None if it is not ext. Raises DiskError if it is broken."""
    superblock = image.read(_SUPERBLOCK, 1024)
    if int.from_bytes(superblock[56:58], "little") != _MAGIC:
        return None
    return Ext(image, superblock)
