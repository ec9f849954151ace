"""A lock that lets one server at a time use a data folder; it ends with the process that holds it."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from bootgrant.ports.grants import FolderInUse, StoreUnavailable

_PAUSE: Final = 0.05


class FolderLock:
    """Held from construction until ``close``.

    Raises FolderInUse when another process still holds it after ``patience`` seconds, StoreUnavailable when the lock
    cannot be written.
    """

    def __init__(self, folder: Path, patience: float = 0.0) -> None:
        path = folder / "lock"
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(
                f"{path} cannot be written ({error.strerror}): check that the data folder exists"
            ) from error
        until = time.monotonic() + patience
        while not self._try():
            if time.monotonic() >= until:
                self.close()
                raise FolderInUse(f"{folder} is in use by another bootgrant: stop that one first")
            time.sleep(_PAUSE)

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def close(self) -> None:
        os.close(self._descriptor)
