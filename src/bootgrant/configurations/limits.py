"""What work on one entry may use: memory, CPU time, and time altogether."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

_OF_A_SITE: Final = 10
_FILES_PER_ENTRY: Final = 100
_SETTINGS: Final = {"memory": "limits.entry_memory", "cpu": "limits.entry_cpu", "time": "limits.entry_time"}


@dataclass(frozen=True, slots=True)
class EntryLimits:
    """``memory`` in bytes, on top of what the process has before; ``cpu`` and ``time`` in seconds.

    ``time`` does not include the programs of the site (``exec``, ``sops``, ``talosctl``), which have their own limits.
    """

    memory: int = 256 << 20
    cpu: float = 2.0
    time: float = 5.0

    def for_site(self, files: int) -> EntryLimits:
        """Return the limits of work that looks at every entry or file: more time, as much memory as one entry."""
        factor = _OF_A_SITE + files / _FILES_PER_ENTRY
        return replace(self, cpu=self.cpu * factor, time=self.time * factor)


class Exceeded(Exception):
    """Work was ended because it used more than its limits.

    ``what`` is "memory", "cpu", "time", or "ended" if its process ended by itself. ``file`` and ``line`` say where it
    was, as far as that is known: an empty text and 0 if not. ``key`` is a digest of what the entry is made of.
    """

    def __init__(self, what: str, limits: EntryLimits, file: str = "", line: int = 0, key: str = "") -> None:
        super().__init__(_message(what, limits))
        self.what = what
        self.file = file
        self.line = line
        self.key = key


def _message(what: str, limits: EntryLimits) -> str:
    used = {
        "memory": f"needs more than {limits.memory >> 20} MiB of memory",
        "cpu": f"takes more than {limits.cpu:g} s of CPU time",
        "time": f"takes longer than {limits.time:g} s",
    }.get(what, "ends the process that works on it")
    raised = f", or raise {_SETTINGS[what]}" if what in _SETTINGS else ""
    return f"{used}, so it was stopped: look for a loop or for something that grows without end{raised}"
