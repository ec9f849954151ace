"""A folder with the machine configurations of a site. Nothing outside it is read, wherever a link points."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from bootgrant.machines.site.files import names_one_machine
from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.machines.site.model import MODEL, MODELS
from bootgrant.ports.configurations import ConfigUnavailable
from bootgrant.ports.origins import Acceptable, Stamp, Tree
from bootgrant.wire.limits import CONFIG

_MOST_FILES = 50_000
_MOST_BYTES = 256 << 20
_DEEPEST = 16
_ATTEMPTS = 10
_QUIET = 0.25
"""Seconds without a change before a changed folder is read: it may still be being written."""


class Folder:
    """ports.origins.Origin and FinishedFolder on a folder."""

    def __init__(self, path: Path, sleep: Callable[[float], None] = time.sleep, most_files: int = _MOST_FILES) -> None:
        self.path = path
        self._most_files = most_files
        self._sleep = sleep
        self._contents: dict[str, tuple[Stamp, bytes]] = {}
        self._tried: dict[str, Stamp] | None = None
        self._finished: tuple[str, ...] = ()

    def is_layered(self) -> bool:
        try:
            return (self.path / MODEL).is_file() or (self.path / MODELS).is_dir()
        except OSError as failed:
            raise self._unreadable(failed) from None

    def changed(self) -> bool:
        return self._stamps() != self._tried

    def tree(self) -> Tree:
        """Read the folder as it is at one moment, again and again if it changes meanwhile. Raises SiteBroken.

        A change is read once the folder is quiet, so that no half-written file is used. The first read does not wait.
        """
        is_first = self._tried is None
        for _ in range(_ATTEMPTS):
            before = self._tried = self._stamps()
            if not is_first:
                self._sleep(_QUIET)
            files = self._read(before)
            if files is not None and self._stamps() == before:
                return Tree(files, _revision_of(files), self._finished, _empty_submodules(self.path, files))
        raise SiteBroken([error("busy", "the machines folder keeps changing: it is read once it is quiet")])

    def fetch_soon(self) -> None:
        """Do nothing: a folder is never fetched."""

    def served(self, revision: str) -> None:
        """Do nothing: a folder has no past that could come back."""

    def keep(self, revision: str) -> None:
        """Do nothing: a folder keeps no past revision."""

    def acceptable(self, commit: str) -> Acceptable:
        raise SiteBroken([error("accept", "the configurations are in a folder, which has no commits to accept")])

    def accept(self, revision: str) -> None:
        """Do nothing: nothing is acceptable."""

    def last_good(self) -> Tree | None:
        return None

    def check(self) -> None:
        try:
            os.scandir(self.path).close()
        except OSError as failed:
            message = f"the machines folder {self.path} cannot be read: {failed.strerror}"
            raise ConfigUnavailable(message, "no configs readable, retrying") from failed

    def finished_names(self) -> Sequence[str]:
        try:
            with os.scandir(self.path) as found:
                return sorted(entry.name for entry in found if entry.name.endswith(".yaml"))
        except FileNotFoundError:
            return ()

    def finished_stamp(self, name: str) -> Stamp | None:
        file = self.path / name
        try:
            status = file.lstat()
            # Nearly every candidate is a regular file or missing, and resolving a path costs far more than this.
            if stat.S_ISREG(status.st_mode):
                return _stamp(status)
            real = file.resolve(strict=True)
            status = real.stat()
        except (OSError, RuntimeError):
            return None
        if not real.is_relative_to(self.path.resolve()):
            message = f"{file} points outside {self.path}: put the file itself there"
            raise ConfigUnavailable(message, "config misplaced")
        return _stamp(status) if stat.S_ISREG(status.st_mode) else None

    def finished_content(self, name: str) -> tuple[bytes, Stamp] | None:
        if self.finished_stamp(name) is None:
            return None
        file = self.path / name
        try:
            with file.open("rb") as opened:
                stamp = _stamp(os.fstat(opened.fileno()))
                content = opened.read(CONFIG + 1)
        except FileNotFoundError:
            return None
        except OSError as failed:
            message = f"{file} cannot be read: {failed.strerror}"
            raise ConfigUnavailable(message, "config unreadable, retrying") from failed
        if not content.strip():
            raise ConfigUnavailable(f"{file} is empty: write the configuration into it", "config empty, retrying")
        if len(content) > CONFIG:
            raise ConfigUnavailable(f"{file} is larger than {CONFIG >> 20} MiB", "config too large")
        return content, stamp

    def _stamps(self) -> dict[str, Stamp]:
        """Return the path and stamp of every file, and note the finished configurations. Raises SiteBroken."""
        try:
            root = self.path.resolve(strict=True)
        except (OSError, RuntimeError) as failed:
            raise self._unreadable(failed) from None
        found: dict[str, Stamp] = {}
        finished: list[str] = []
        for path, stamp in _walk(root, root, "", (), list_finished=self.is_layered()):
            if stamp is None:
                finished.append(path)
                continue
            found[path] = stamp
            if len(found) > self._most_files:
                message = f"more than {self._most_files:,} files: is this the right folder?"
                raise SiteBroken([error("too-many", message)])
        self._finished = tuple(finished)
        return found

    def _read(self, stamps: Mapping[str, Stamp]) -> dict[str, bytes] | None:
        """Return the contents of these files, reading only what has changed; None if one changed since."""
        if sum(size for _, _, size, _ in stamps.values()) > _MOST_BYTES:
            raise SiteBroken([error("too-large", f"more than {_MOST_BYTES >> 20} MiB: is this the right folder?")])
        contents: dict[str, tuple[Stamp, bytes]] = {}
        for path, stamp in stamps.items():
            known = self._contents.get(path)
            content = known[1] if known and known[0] == stamp else _content(self.path / path, path, stamp)
            if content is None:
                return None
            contents[path] = (stamp, content)
        self._contents = contents
        return {path: content for path, (_, content) in contents.items()}

    def _unreadable(self, failed: OSError | RuntimeError) -> SiteBroken:
        return SiteBroken([error("unreadable", f"the machines folder {self.path} cannot be read: {_why(failed)}")])


def _empty_submodules(folder: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return the git submodules below a folder of a work tree that are not checked out (gitmodules(5))."""
    place = folder.resolve()
    try:
        top = next((above for above in (place, *place.parents) if (above / ".git").exists()), None)
        listed = (top / ".gitmodules").read_text("utf-8", "replace") if top else ""
    except OSError:
        return ()
    found = []
    for path in re.findall(r"(?m)^[ \t]*path[ \t]*=(.+)$", listed):
        module = Path(os.path.normpath(f"{top}/{path.strip()}"))
        if module.is_relative_to(place) and module != place:
            below = module.relative_to(place).as_posix()
            found += [] if any(file.startswith(f"{below}/") for file in files) else [below]
    return tuple(found)


def _revision_of(files: Mapping[str, bytes]) -> str:
    """A name for exactly these files, as short as a commit's."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.encode("utf-8", "surrogateescape") + b"\0" + hashlib.sha256(files[path]).digest())
    return f"folder-{digest.hexdigest()[:12]}"


def _walk(
    root: Path, folder: Path, path: str, above: tuple[str, ...], *, list_finished: bool = False
) -> Iterator[tuple[str, Stamp | None]]:
    """Yield every file with its stamp. With ``list_finished``, finished configurations have none: they are only listed.

    ``above`` are the real paths of the folders above this one.
    """
    real = os.path.realpath(folder)
    if real in above:
        raise _broken(path, "this link points to a folder that contains it: remove it")
    if len(above) > _DEEPEST:
        raise _broken(path, f"more than {_DEEPEST} folders deep: move it up")
    try:
        with os.scandir(folder) as listed:
            members = sorted(listed, key=lambda member: member.name)
    except OSError as failed:
        raise _broken(path, f"cannot be read: {failed.strerror}") from None
    for member in members:
        if member.name.startswith("."):
            continue
        below = f"{path}/{member.name}" if path else member.name
        if list_finished and names_one_machine(member.name):
            yield below, None
        else:
            yield from _walk_member(root, member, below, (*above, real))


def _walk_member(
    root: Path, member: os.DirEntry[str], path: str, above: tuple[str, ...]
) -> Iterator[tuple[str, Stamp | None]]:
    if not path.isprintable():
        raise _broken(ascii(path), "the file's name has unprintable characters: rename it")
    try:
        if member.is_symlink() and not Path(member.path).resolve(strict=True).is_relative_to(root):
            raise _broken(path, "this link points outside the machines folder: put the file itself there")
        if member.is_dir():
            yield from _walk(root, Path(member.path), path, above)
            return
        status = member.stat()
    except (OSError, RuntimeError) as failed:
        raise _broken(path, f"cannot be read: {_why(failed)}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _broken(path, "neither a file nor a folder: remove it")
    if status.st_size > CONFIG:
        raise _broken(path, f"larger than {CONFIG >> 20} MiB: no configuration is that large")
    yield path, _stamp(status)


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _content(place: Path, path: str, stamp: Stamp) -> bytes | None:
    """Return the file's bytes; None if it is gone or no longer the same: it may now be a link out of the folder."""
    try:
        with os.fdopen(os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            return file.read(CONFIG) if _stamp(os.fstat(file.fileno())) == stamp else None
    except FileNotFoundError:
        return None
    except OSError as failed:
        raise _broken(path, f"cannot be read: {failed.strerror}") from None


def _why(failed: OSError | RuntimeError) -> str:
    return str(failed.strerror) if isinstance(failed, OSError) else "its links form a loop"


def _broken(path: str, message: str) -> SiteBroken:
    return SiteBroken([error("unreadable", message, path)])
