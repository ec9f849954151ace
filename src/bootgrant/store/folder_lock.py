"""A lock that lets one server at a time use a data folder; it ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bootgrant.ports.grants import StoreUnavailable


class FolderLock:
    """Held from construction until ``close``. Raises StoreUnavailable when another process holds it."""

    def __init__(self, folder: Path) -> None:
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be written ({error.strerror}): check that the data folder exists"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise StoreUnavailable(f"{folder} is in use by another bootgrant: stop that one first") from error

    def close(self) -> None:
        os.close(self._descriptor)
