"""Media with a file on them, made with the usual programs."""

from __future__ import annotations

import subprocess
from pathlib import Path

from support.parts import program


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def iso(folder: Path, content: bytes, *options: str, label: str = "metal-iso") -> bytes:
    """An ISO 9660 image with ``config.yaml``; ``-J`` adds Joliet, ``-R`` Rock Ridge."""
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree/config.yaml").write_bytes(content)
    (folder / "tree/a-folder").mkdir(exist_ok=True)
    xorriso = program("xorriso", "xorriso")
    image = folder / "image.iso"
    _run(xorriso, "-as", "mkisofs", "-quiet", "-V", label, *options, "-o", image, folder / "tree")
    return image.read_bytes()


def fat(folder: Path, content: bytes, bits: int, *, label: str = "METAL-ISO", name: str = "config.yaml") -> bytes:
    """A FAT image of that width with one file, a folder and a deleted file."""
    (folder / "file").write_bytes(content)
    image = folder / "image.fat"
    size = {12: 1440, 16: 16 << 10, 32: 68 << 10}[bits]
    image.unlink(missing_ok=True)
    _run(program("mkfs.fat", "dosfstools"), "-C", "-F", str(bits), "-s", "1", "-n", label, image, str(size))
    mtools = program("mcopy", "mtools")
    _run(mtools.with_name("mmd"), "-i", image, "::a folder with a long name")
    _run(mtools, "-i", image, folder / "file", "::deleted-long-name.txt")
    _run(mtools.with_name("mdel"), "-i", image, "::deleted-long-name.txt")
    _run(mtools, "-i", image, folder / "file", f"::{name}")
    return image.read_bytes()


def ext(folder: Path, content: bytes, version: int, *options: str, label: str = "metal-iso") -> bytes:
    """An ext2, ext3 or ext4 image with ``config.yaml``."""
    (folder / "tree").mkdir(exist_ok=True)
    (folder / "tree/config.yaml").write_bytes(content)
    image = folder / "image.ext"
    image.unlink(missing_ok=True)
    mke2fs = program("mke2fs", "e2fsprogs")
    _run(mke2fs, "-q", "-t", f"ext{version}", *options, "-L", label, "-d", folder / "tree", image, "12M")
    return image.read_bytes()
