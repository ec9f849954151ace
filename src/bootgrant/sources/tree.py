"""All files of a machines folder at one moment. Nothing outside the folder is read, whatever a link says."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.machines.site.model import MODEL, MODELS
from bootgrant.sources.finished_files import is_of_one_machine
from bootgrant.wire.limits import CONFIG

_FILES = 50_000
_IN_ALL = 256 << 20
_DEPTH = 16
_ATTEMPTS = 10
_REST = 0.25
"""Seconds for which nothing may change before a change is read: somebody may be writing it."""

Stamp = tuple[int, int, int, int]
"""Modification and change times (ns), size, inode."""


@dataclass(frozen=True, slots=True, repr=False)
class Tree:
    """Contents by their path (``role/worker/10-net.yaml``); ``revision`` names this state.

    ``beside`` are finished files of single machines at the top of a folder, which are read when they are wanted.
    """

    files: Mapping[str, bytes]
    revision: str
    beside: tuple[str, ...] = ()


class FolderTree:
    """A folder. ``stamps`` is quick and tells whether something changed; ``read`` reads what did."""

    def __init__(self, folder: Path, sleep: Callable[[float], None] = time.sleep) -> None:
        self.folder = folder
        self._sleep = sleep
        self._read: dict[str, tuple[Stamp, bytes]] = {}
        self._tried: dict[str, Stamp] | None = None
        self._beside: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.folder)

    def is_layered(self) -> bool:
        """Whether it says by ``machines.yaml`` or ``entries/`` which machines there are. Raises SiteBroken."""
        try:
            return (self.folder / MODEL).is_file() or (self.folder / MODELS).is_dir()
        except OSError as failed:
            raise self._unreadable(failed) from None

    def changed(self) -> bool:
        """Whether something is not as it was when it was last tried to be read. Raises SiteBroken."""
        return self.stamps() != self._tried

    def look_now(self) -> None:
        """Every look sees the folder as it is."""

    def taken(self, revision: str) -> None:
        """A folder keeps nothing of what was served."""

    def last_good(self) -> Tree | None:
        return None

    def stamps(self) -> dict[str, Stamp]:
        """Every file's path and stamp. Raises SiteBroken."""
        root = self._root()
        found: dict[str, Stamp] = {}
        beside: list[str] = []
        apart = self.is_layered()
        for path, told in _walk(root, root, "", (), apart=apart):
            if told is None:
                beside.append(path)
                continue
            found[path] = told
            if len(found) > _FILES:
                raise SiteBroken([error("too-many", f"more than {_FILES:,} files: is this the right folder?")])
        self._beside = tuple(beside)
        return found

    def tree(self) -> Tree:
        """The folder as it is at one moment: what changes while it is read is read again. Raises SiteBroken.

        The first time it is taken as it is; a change is read when the folder rests, so that none is taken half written.
        """
        is_first = self._tried is None
        for _ in range(_ATTEMPTS):
            before = self._tried = self.stamps()
            if not is_first:
                self._sleep(_REST)
            files = self._contents(before)
            if files is not None and self.stamps() == before:
                return Tree(files, revision_of(files), self._beside)
        raise SiteBroken([error("busy", "the machines folder changes all the time: it is read when it rests")])

    def _contents(self, stamps: Mapping[str, Stamp]) -> dict[str, bytes] | None:
        if sum(told[2] for told in stamps.values()) > _IN_ALL:
            raise SiteBroken([error("too-large", f"more than {_IN_ALL >> 20} MiB: is this the right folder?")])
        kept: dict[str, tuple[Stamp, bytes]] = {}
        for path, told in stamps.items():
            known = self._read.get(path)
            content = known[1] if known and known[0] == told else _content(self.folder / path, path, told)
            if content is None:
                return None
            kept[path] = (told, content)
        self._read = kept
        return {path: content for path, (_, content) in kept.items()}

    def _root(self) -> Path:
        try:
            return self.folder.resolve(strict=True)
        except (OSError, RuntimeError) as broken:
            raise self._unreadable(broken) from None

    def _unreadable(self, broken: OSError | RuntimeError) -> SiteBroken:
        why = broken.strerror if isinstance(broken, OSError) else "its links lead in a circle"
        return SiteBroken([error("unreadable", f"the machines folder {self.folder} cannot be read: {why}")])


def revision_of(files: Mapping[str, bytes]) -> str:
    """A name for exactly these files, as short as a commit's."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(files[path]).digest())
    return f"folder-{digest.hexdigest()[:12]}"


def _walk(
    root: Path, folder: Path, below: str, inside: tuple[str, ...], *, apart: bool = False
) -> Iterator[tuple[str, Stamp | None]]:
    """Every file with its stamp; None for the finished files of single machines, where they stand ``apart``."""
    real = os.path.realpath(folder)
    if real in inside:
        raise _broken(below, "this link leads back to a folder around it: remove it")
    if len(inside) > _DEPTH:
        raise _broken(below, f"deeper than {_DEPTH} folders")
    try:
        with os.scandir(folder) as listed:
            members = sorted(listed, key=lambda member: member.name)
    except OSError as failed:
        raise _broken(below, f"cannot be read: {failed.strerror}") from None
    for member in members:
        path = f"{below}/{member.name}" if below else member.name
        if member.name.startswith("."):
            continue
        if apart and is_of_one_machine(member.name):
            yield path, None
            continue
        yield from _member(root, member, path, (*inside, real))


def _member(
    root: Path, member: os.DirEntry[str], path: str, inside: tuple[str, ...]
) -> Iterator[tuple[str, Stamp | None]]:
    if not path.isprintable():
        raise _broken(ascii(path), "a file's name has characters that cannot be shown: rename it")
    try:
        if member.is_symlink() and not Path(member.path).resolve(strict=True).is_relative_to(root):
            raise _broken(path, "this link leads out of the machines folder: put the file itself there")
        if member.is_dir():
            yield from _walk(root, Path(member.path), path, inside)
            return
        told = member.stat()
    except (OSError, RuntimeError) as failed:
        why = failed.strerror if isinstance(failed, OSError) else "its links lead in a circle"
        raise _broken(path, f"cannot be read: {why}") from None
    if not stat.S_ISREG(told.st_mode):
        raise _broken(path, "neither a file nor a folder: remove it")
    if told.st_size > CONFIG:
        raise _broken(path, f"larger than {CONFIG >> 20} MiB: a configuration is never that large")
    yield path, _stamp(told)


def _stamp(told: os.stat_result) -> Stamp:
    return told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino


def _content(place: Path, path: str, told: Stamp) -> bytes | None:
    """The file's bytes; None when it is gone again, or another one: a link may lead out of the folder by now."""
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(CONFIG) if _stamp(os.fstat(file.fileno())) == told else None
    except FileNotFoundError:
        return None
    except OSError as failed:
        raise _broken(path, f"cannot be read: {failed.strerror}") from None


def _broken(path: str, message: str) -> SiteBroken:
    found: Finding = error("unreadable", message, path)
    return SiteBroken([found])
