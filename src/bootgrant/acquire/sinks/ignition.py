"""An Ignition configuration as a file: JSON whose ``ignition.version`` is a text (Ignition specification, 3.x)."""

from __future__ import annotations

from pathlib import Path

from bootgrant.acquire.errors import BadConfig
from bootgrant.acquire.sinks.atomic import complete_file, output_failed, replace_file, require_writable


class IgnitionSink:
    """Ignition runs once, on the first boot, and stops the boot on a file it cannot read: so both ways are checked."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def already_there(self) -> str | None:
        if not complete_file(self._path):
            require_writable(self._path)
            return None
        try:
            content = self._path.read_bytes()
        except OSError as error:
            raise output_failed(self._path, error) from error
        return str(self._path) if is_ignition(content) else None

    def write(self, config: bytes) -> str:
        if not is_ignition(config):
            raise BadConfig(
                "what arrived is not an Ignition configuration (JSON with ignition.version)",
                "put one on the server for this machine, or choose another output",
            )
        replace_file(self._path, config)
        return str(self._path)


def is_ignition(content: bytes) -> bool:
    """Whether ``content`` is JSON that says which version of Ignition's specification it follows."""
    import json

    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return False
    section = document.get("ignition") if isinstance(document, dict) else None
    version = section.get("version") if isinstance(section, dict) else None
    return isinstance(version, str) and bool(version)
