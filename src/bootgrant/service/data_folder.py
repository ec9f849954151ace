"""The data folder, which only the server can read (0700): the key of the user codes (0600) and the admin socket."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from bootgrant.service.settings.setting import SettingsError

_KEY_BYTES = 32


def prepare_data_folder(folder: Path) -> None:
    """Create the folder, or remove the permissions of group and others. Raises SettingsError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        raise SettingsError(f"the data folder {folder} cannot be used: {error.strerror}") from error


def code_key(path: Path, *, create: bool = True) -> bytes:
    """Return the key that user codes are made with; ``create`` it if it is missing. Raises SettingsError.

    Losing it invalidates only the codes that are pending at that moment.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        if create:
            return _create_key(path)
        raise SettingsError(
            f"{path} does not exist: the servers of one database share a code key, so copy it from another server, or "
            "set code_key_file"
        ) from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error
    if len(key) != _KEY_BYTES:
        raise SettingsError(f"{path} is damaged: remove it. Machines that are waiting will show new codes")
    return key


def _create_key(path: Path) -> bytes:
    key = secrets.token_bytes(_KEY_BYTES)
    try:
        write_private(path, key)
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from error
    return key


def write_private(path: Path, content: bytes) -> None:
    """Write a new file with mode 0600. Raises OSError; FileExistsError if there is one."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def admin_socket(folder: Path) -> Path:
    """Return the path of the socket on which local commands reach the server."""
    return folder / "admin.sock"


def control_socket(folder: Path) -> Path:
    """Return the path of the socket on which `bootgrant reload` reaches the supervisor."""
    return folder / "control.sock"
