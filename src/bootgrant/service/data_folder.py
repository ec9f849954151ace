"""The data folder: for the server alone (0700), with the key of the user codes (0600) and the admin socket's place."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bootgrant.service.settings.forms import SettingsError

_KEY_BYTES = 32


def prepare_data_folder(folder: Path) -> None:
    """Make the folder, or take group's and others' rights from it. Raises SettingsError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"the data folder {folder} cannot be used: {error.strerror}") from error


def code_key(path: Path, *, make: bool = True) -> bytes:
    """The key that user codes are made with, made when it is not there. Raises SettingsError.

    Losing it costs the codes that wait at that moment, nothing else.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        if make:
            return _make_key(path)
        raise SettingsError(
            f"{path} is not there: the servers of one database share one code key, so copy it from another server, "
            "or name it with code_key_file"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{path} is damaged: remove it; machines that wait now will show new codes")
    return key


def _make_key(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    return key


def admin_socket(folder: Path) -> Path:
    """Where the local commands reach the server."""
    return folder / "admin.sock"


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """A name for a Unix socket that fits into its 107 bytes however long the path is, good inside the context."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/{os.getpid()}/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
