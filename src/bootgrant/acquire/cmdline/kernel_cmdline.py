"""The kernel command line as Talos reads it (go-procfs ``cmdline.go``): no quotes, no escapes, repeats kept.

The kernel's own rules differ (quotes, ``--``, ``-`` equal to ``_``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.acquire.errors import BadParameter, reason_of
from bootgrant.wire.go_text import WHITE_SPACE

_WORD: Final = re.compile(f"[^{WHITE_SPACE}]+")
MAX_CMDLINE: Final = 1 << 20
"""Bytes. The kernel's own limit is 2 KiB to 64 KiB by architecture; a file from an operator may be longer."""


@dataclass(frozen=True, slots=True)
class KernelCmdline:
    """Each key once, in order of first appearance, with all its values in order. ``a`` and ``a=`` mean the value ''."""

    parameters: tuple[tuple[str, tuple[str, ...]], ...]

    def first(self, key: str) -> str | None:
        """The first value of ``key``, which wins even if it is empty, or None if the key is absent."""
        values = self.all(key)
        return values[0] if values else None

    def all(self, key: str) -> tuple[str, ...]:
        """All values of ``key`` in order; empty if the key is absent. Keys are case sensitive."""
        return next((values for name, values in self.parameters if name == key), ())


def parse_cmdline(text: str) -> KernelCmdline:
    """Split at white space, and each word at its first ``=``. Every text is valid."""
    found: dict[str, list[str]] = {}
    for word in _WORD.findall(text):
        key, _, value = word.partition("=")
        found.setdefault(key, []).append(value)
    return KernelCmdline(tuple((key, tuple(values)) for key, values in found.items()))


def read_cmdline(path: Path) -> str:
    """Read ``path`` (usually ``/proc/cmdline``); bytes that are not UTF-8 become surrogate escapes.

    Raises BadParameter if the file cannot be read or is too large to be a command line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_CMDLINE + 1)
    except OSError as error:
        what = f"cannot read the kernel command line from {path}: {reason_of(error)}"
        raise BadParameter(what, "name a readable file with --cmdline-file") from error
    if len(content) > MAX_CMDLINE:
        raise BadParameter(f"{path} is larger than {MAX_CMDLINE} bytes", "it is not a kernel command line")
    return content.decode("utf-8", "surrogateescape")
