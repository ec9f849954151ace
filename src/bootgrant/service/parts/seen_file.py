"""``data/epoch``: what this server last saw of its database. Backups leave it out, and a restore leaves it in place."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.approval.epoch import Seen, as_json, read_seen
from bootgrant.ports.epochs import SeenUnreadable

EPOCH: Final = "epoch"
_MOST_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class SeenInFolder:
    """ports.epochs.SeenFile in a data folder. It is replaced as a whole: a crash leaves the old one or the new one."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / EPOCH

    def read(self) -> Seen | None:
        try:
            with self.path.open("rb") as file:
                return read_seen(json.loads(file.read(_MOST_BYTES)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise SeenUnreadable(f"{self.path} cannot be read ({error.strerror})") from error
        except (ValueError, RecursionError) as error:
            raise SeenUnreadable(f"{self.path} cannot be used: {error}") from error

    def replace_unusable(self, seen: Seen) -> None:
        new = self._new(seen)
        self.path.replace(self.folder / f"{EPOCH}.unreadable")
        new.replace(self.path)
        sync_folder(self.folder)

    def write(self, seen: Seen) -> None:
        self._new(seen).replace(self.path)
        sync_folder(self.folder)

    def _new(self, seen: Seen) -> Path:
        """Write a file next to it."""
        new = self.folder / f"{EPOCH}.new"
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(json.dumps(as_json(seen), separators=(",", ":")).encode())
            file.flush()
            os.fsync(file.fileno())
        return new


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
