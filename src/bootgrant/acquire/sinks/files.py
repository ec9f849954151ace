"""Configurations on disk: a plain file, a NoCloud seed for cloud-init, an Ignition file.

A file is complete or absent (written under another name, flushed, renamed), readable only by its owner (0600) from its
first byte on, and still there after a power cut (the file and its folder are flushed). Folders that are missing above
it are created for its owner only (0700), whatever the umask is; folders that exist stay as they are.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import Final

from bootgrant.acquire.errors import BadConfig, OutputFailed, reason_of
from bootgrant.acquire.options import Expect

_PRIVATE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700


class FileSink:
    """The configuration as the file ``path``; missing folders above it are created."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def already_there(self) -> str | None:
        if _is_complete(self._path, "name a file, or omit --output to use standard output"):
            return str(self._path)
        _require_writable(self._path)
        return None

    def write(self, config: bytes) -> str:
        replace_file(self._path, config)
        return str(self._path)


class NoCloudSink:
    """A seed for cloud-init's NoCloud data source: ``user-data`` and ``meta-data`` in ``directory``.

    cloud-init ignores a seed without both files (DataSourceNoCloud, ``required=["user-data", "meta-data"]``), so
    ``meta-data`` is removed first and written last: cloud-init sees the old seed, none, or the new one. ``instance_id``
    should identify the machine (its UUID); without one it is derived from the configuration.
    """

    def __init__(self, directory: Path, instance_id: str = "") -> None:
        self._user_data = directory / "user-data"
        self._meta_data = directory / "meta-data"
        self._directory = directory
        self._instance_id = instance_id

    def already_there(self) -> str | None:
        if _is_complete(self._meta_data) and _is_complete(self._user_data):
            return str(self._directory)
        _require_writable(self._user_data)
        return None

    def write(self, config: bytes) -> str:
        _remove_file(self._meta_data)
        replace_file(self._user_data, config)
        replace_file(self._meta_data, self._meta(config))
        return str(self._directory)

    def _meta(self, config: bytes) -> bytes:
        """cloud-init repeats its once-per-instance steps when the instance-id changes."""
        import hashlib
        import json  # a JSON string is a YAML string, whatever characters it has

        name = self._instance_id or f"bootgrant-{hashlib.sha256(config).hexdigest()[:32]}"
        return f"instance-id: {json.dumps(name)}\n".encode()


class IgnitionSink:
    """An Ignition configuration as the file ``path`` (``/usr/lib/ignition/user.ign`` in an initramfs).

    Ignition stops the boot if it cannot read its file, so the content is checked, also that of a file already there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def already_there(self) -> str | None:
        if not _is_complete(self._path):
            _require_writable(self._path)
            return None
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise _output_failed(self._path, error) from error
        try:
            _check_ignition(content)
        except BadConfig:
            return None
        return str(self._path)

    def write(self, config: bytes) -> str:
        _check_ignition(config)
        replace_file(self._path, config)
        return str(self._path)


def replace_file(path: Path, content: bytes) -> None:
    """Replace ``path`` atomically and flush it to disk. Raises OutputFailed.

    A symbolic link at ``path`` is replaced, not followed, so that nobody can redirect the configuration.
    """
    try:
        _make_folders(path.absolute().parent)
        temporary = _write_temporary(path, content)
        try:
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        _flush_folder(path.parent)
    except OSError as error:
        raise _output_failed(path, error) from error


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of ``content``, in as many writes as it takes."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _make_folders(folder: Path) -> None:
    """Create ``folder`` and what is missing above it, and flush each new name to disk."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    try:
        folder.mkdir(_PRIVATE_FOLDER)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    # A umask can only take permissions away, so nobody else could look into the folder before this.
    folder.chmod(_PRIVATE_FOLDER)
    _flush_folder(folder.parent)


def _write_temporary(path: Path, content: bytes) -> Path:
    """Write a new file in the folder of ``path``, under a name that nobody can guess, and flush it."""
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, _PRIVATE)
    try:
        os.fchmod(descriptor, _PRIVATE)
        write_all(descriptor, content)
        os.fsync(descriptor)
    except BaseException:
        # A signal arrives as an exception: it must not leave a partial file either.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(descriptor)
    return temporary


def _remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _flush_folder(path.parent)
    except OSError as error:
        raise _output_failed(path, error) from error


def _flush_folder(folder: Path) -> None:
    """Make renames and removals in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_complete(path: Path, otherwise: str = "name another place") -> bool:
    """Whether ``path`` is a file with content. Raises OutputFailed, with ``otherwise`` as advice, for another thing."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _output_failed(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        what = f"cannot write to {path} (it is not a file)"
        raise OutputFailed(what, otherwise)
    return status.st_size > 0


def _require_writable(path: Path) -> None:
    """Raise OutputFailed if the nearest existing folder above ``path`` is not writable."""
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise OutputFailed(f"cannot write to {path} ({folder} is not a folder)", "name another place, then try again")
    if not os.access(folder, os.W_OK | os.X_OK):
        what = f"cannot write to {path} ({folder} is not writable)"
        raise OutputFailed(what, "make it writable or name another place")


def _output_failed(path: Path, error: OSError) -> OutputFailed:
    what = f"cannot write to {path} ({reason_of(error)})"
    return OutputFailed(what, "make the place writable or name another one, then try again")


def _check_ignition(content: bytes) -> None:
    from bootgrant.acquire.expect import check_config

    check_config(content, Expect.IGNITION)
