"""Values that programs of the site print (``{exec: [program, word, …]}``), asked for once for each snapshot."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from bootgrant.machines.site.findings import SiteBroken, error
from bootgrant.machines.site.model import Command, Entry
from bootgrant.sources.programs import ProgramFailed, run_program

_MOST = 1 << 20
_SPARED = 60.0


class SiteValues:
    """``allowed`` are the programs that may run: who can write the machines folder must not run others here."""

    def __init__(self, allowed: Sequence[Path] = (), seconds: float = 10.0) -> None:
        self._allowed = {str(path) for path in allowed}
        self._seconds = seconds
        self._hung_at: dict[str, float] = {}

    def value(self, entry: Entry, variable: str, command: Command) -> str:
        """What the program prints, without the line's end. Raises SiteBroken."""
        if command.words[0] not in self._allowed:
            known = ", ".join(sorted(self._allowed)) or "none"
            told = (
                f"the variable {variable} runs {command.words[0]}, which secrets.exec_programs does not allow "
                f"(allowed: {known}); name it there with its whole path"
            )
            raise SiteBroken([error("exec", told, entry.file, entry.line, entry.name)])
        try:
            return self._printed(entry, command).decode("utf-8").rstrip("\r\n")
        except ProgramFailed as failed:
            told = f"the variable {variable} has no value: {failed}"
        except UnicodeDecodeError:
            told = f"the variable {variable} has no value: {command.words[0]} printed what is not UTF-8"
        raise SiteBroken([error("exec", told, entry.file, entry.line, entry.name)])

    def _printed(self, entry: Entry, command: Command) -> bytes:
        """Raises ProgramFailed. A program that hangs is not waited for by every entry in turn."""
        began = time.monotonic()
        if began < self._hung_at.get(command.words[0], -_SPARED) + _SPARED:
            raise ProgramFailed(f"{command.words[0]} took too long for another entry just now")
        try:
            return run_program(
                command.words, seconds=self._seconds, environment={"BOOTGRANT_ENTRY": entry.name}, most=_MOST
            )
        except ProgramFailed:
            if time.monotonic() - began >= self._seconds:
                self._hung_at[command.words[0]] = time.monotonic()
            raise
