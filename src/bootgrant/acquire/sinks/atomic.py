"""A file that is complete or absent, private from its first byte on, and durable when ``replace_file`` returns."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from bootgrant.acquire.errors import OutputFailed

PRIVATE = 0o600


def replace_file(path: Path, content: bytes) -> None:
    """Write ``content`` beside ``path``, flush it, rename it over ``path``, flush the folder. Raises OutputFailed.

    A symbolic link at ``path`` is replaced, not followed: nobody can point the configuration elsewhere.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _write_beside(path, content)
        try:
            temporary.rename(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)
    except OSError as error:
        raise output_failed(path, error) from error


def remove_file(path: Path) -> None:
    """Make ``path`` absent, durably. Raises OutputFailed."""
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            flush_folder(path.parent)
    except OSError as error:
        raise output_failed(path, error) from error


def complete_file(path: Path) -> bool:
    """Whether ``path`` is a file with something in it; one that ``replace_file`` wrote is then complete.

    Raises OutputFailed when ``path`` is something that no file can replace or cannot be looked at.
    """
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise output_failed(path, error) from error
    if not stat.S_ISREG(status.st_mode):
        raise OutputFailed(f"cannot write to {path} (it is not a file)", "name a file, or - for standard output")
    return status.st_size > 0


def require_writable(path: Path) -> None:
    """Raises OutputFailed when the nearest folder above ``path`` that exists takes no files."""
    folder = path.absolute().parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise OutputFailed(f"cannot write to {path} ({folder} is not a folder)", "name another place, then try again")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputFailed(
            f"cannot write to {path} ({folder} takes no files)", "make it writable or name another place"
        )


def flush_folder(folder: Path) -> None:
    """Make renames and removals in ``folder`` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def output_failed(path: Path, error: OSError) -> OutputFailed:
    """The system's refusal as the one line that ends the program."""
    reason = error.strerror or str(error)
    return OutputFailed(
        f"cannot write to {path} ({reason})", "make the place writable or name another one, then try again"
    )


def write_all(descriptor: int, content: bytes) -> None:
    """All of ``content``, however little a write takes at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _write_beside(path: Path, content: bytes) -> Path:
    """A new file in the folder of ``path`` whose name nobody could prepare, flushed and closed."""
    temporary = path.with_name(f".{path.name[:200]}.{os.urandom(8).hex()}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, PRIVATE)
    try:
        os.fchmod(descriptor, PRIVATE)
        write_all(descriptor, content)
        os.fsync(descriptor)
    except BaseException:
        # A signal ends the program as an exception: what is half written must not stay behind either.
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(descriptor)
    return temporary
