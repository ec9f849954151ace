"""A clock that is wrong, for a program as a process: Debian's libfaketime, with a shift that tests change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.parts import installed_file

_LIBRARIES = "/usr/lib/{}/faketime/libfaketimeMT.so.1"


@dataclass(frozen=True, slots=True)
class WrongClock:
    """The clock of the programs that run with ``variables``; ``file`` has the shift."""

    file: Path

    def shift(self, seconds: int) -> None:
        """Set the clock ahead of the computer's, or behind it if ``seconds`` is negative, also of running programs."""
        part = self.file.with_suffix(".part")
        part.write_text(f"{seconds:+d}s\n")
        part.replace(self.file)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of a program with this clock. How long something takes is measured as usual."""
        found = [*Path("/").glob(_LIBRARIES.format("*").lstrip("/")), Path(_LIBRARIES.format("x86_64-linux-gnu"))]
        return {
            "LD_PRELOAD": str(installed_file(found[0], "faketime")),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DONT_RESET": "1",
        }
