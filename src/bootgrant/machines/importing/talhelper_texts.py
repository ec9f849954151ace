"""The texts of a talhelper project: its variables, inline patches, and the files that it names with @."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bootgrant.machines.importing.project import Imported
from bootgrant.machines.yaml.reading import parse_yaml

_VARIABLE: Final = re.compile(r"\$\$|\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}")


class Texts:
    """``environment`` are the variables of talenv.yaml; what is missing becomes a note of ``made``."""

    def __init__(self, files: Mapping[str, bytes], environment: Mapping[str, str], made: Imported) -> None:
        self._files = files
        self._environment = environment
        self._made = made

    def filled(self, path: str, content: bytes) -> bytes:
        """Put in the values of variables. ``$$`` is a dollar sign; a variable without a value stays as it is."""
        text = parse_yaml(content).text
        return _VARIABLE.sub(self._value, text).encode("utf-8", "surrogatepass")

    def _value(self, found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        default: str | None = found[2]
        value = self._environment.get(found[1], default)
        return found[0] if value is None else value

    def content(self, value: str, *, is_filled: bool = False) -> str | None:
        """Return a text, or the file that ``@path`` names; None, with a note, if there is no such file.

        With ``is_filled``, a file gets the values of variables; a text got them with the project.
        """
        if not value.startswith("@"):
            return value
        path = posixpath.normpath(value[1:])
        raw = self._files.get(path)
        if raw is None:
            self._made.notes.append(f"{value} was not carried over: there is no such file in the project")
            return None
        return parse_yaml(self.filled(path, raw) if is_filled else raw).text

    def patches(self, given: Sequence[Any], folder: str, *, are_files: bool = False) -> dict[str, bytes]:
        """Return a file for each patch, in order. With ``are_files``, each is a path, with or without @."""
        found: dict[str, bytes] = {}
        for number, patch in enumerate(given, 1):
            reference = f"@{str(patch).removeprefix('@')}" if are_files else str(patch)
            text = self.content(reference, is_filled=True)
            if text is not None and text.strip():
                stem = _stem(reference[1:]) if reference.startswith("@") else "patch"
                found[f"{folder}/{number:02}-{stem}.yaml"] = text.encode("utf-8", "surrogatepass")
        return found


def _stem(reference: str) -> str:
    name = posixpath.basename(reference).partition(".")[0]
    return re.sub(r"[^A-Za-z0-9_-]", "-", name) or "patch"
