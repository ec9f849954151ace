"""The configuration as one file."""

from __future__ import annotations

from pathlib import Path

from bootgrant.acquire.sinks.atomic import complete_file, replace_file, require_writable


class FileSink:
    """``path`` holds the configuration, whole, or is absent."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def already_there(self) -> str | None:
        if complete_file(self._path):
            return str(self._path)
        require_writable(self._path)
        return None

    def write(self, config: bytes) -> str:
        replace_file(self._path, config)
        return str(self._path)
