"""A keyring for tests: a backend of the library ``keyring`` that keeps its passwords in a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError


class FileKeyring(KeyringBackend):
    """Select it with ``PYTHON_KEYRING_BACKEND``; ``TEST_KEYRING`` names the file. Without the file, it is locked."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        found = self._all().get(f"{service} {username}")
        return None if found is None else str(found)

    def set_password(self, service: str, username: str, password: str) -> None:
        self._save({**self._all(), f"{service} {username}": password})

    def delete_password(self, service: str, username: str) -> None:
        known = self._all()
        if known.pop(f"{service} {username}", None) is None:
            raise PasswordDeleteError("not found")
        self._save(known)

    def _all(self) -> dict[str, str]:
        # Real ones let errors of other libraries through as well.
        if not self._place.exists():
            raise RuntimeError("org.freedesktop.Secret.Error.IsLocked\nlocked")
        found: dict[str, str] = json.loads(self._place.read_text())
        return found

    def _save(self, passwords: dict[str, str]) -> None:
        self._place.write_text(json.dumps(passwords))

    @property
    def _place(self) -> Path:
        return Path(os.environ["TEST_KEYRING"])
