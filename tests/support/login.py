"""`bootgrant login` as a process, on a computer that has nothing of the site."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.site import bootgrant, clean_environment

_CODE = re.compile(r"Type this code there: (\d{3}-\d{3}-\d{3})")


@dataclass(slots=True)
class Computer:
    """A person's computer: an empty home folder, in which commands run."""

    home: Path
    more: Mapping[str, str] = field(default_factory=dict)

    @property
    def profiles(self) -> Path:
        return self.home / ".config/bootgrant/profiles.json"

    @property
    def environment(self) -> dict[str, str]:
        left_out = ("XDG_CONFIG_HOME", "BOOTGRANT_SERVER", "BOOTGRANT_TOKEN_FILE", "BOOTGRANT_PROFILE")
        base = {name: value for name, value in clean_environment().items() if name not in left_out}
        return {**base, "HOME": str(self.home), **self.more}

    def run(self, *words: str, text: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            bootgrant(*words),
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            env=self.environment | environment,
            cwd=self.home,
        )

    def login(self, *words: str) -> Login:
        """Start a login, and wait until it shows its code."""
        return Login(
            subprocess.Popen(
                bootgrant("login", *words),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env=self.environment,
                cwd=self.home,
            )
        )


@dataclass(slots=True)
class Login:
    """A login that waits for a person. ``shown`` is what it printed until it showed the code."""

    process: subprocess.Popen[str]
    shown: str = ""
    code: str = ""

    def __post_init__(self) -> None:
        assert self.process.stderr is not None
        for line in iter(self.process.stderr.readline, ""):
            self.shown += line
            if found := _CODE.search(line):
                self.code = found[1]
                return
        raise AssertionError(self.shown)

    def finish(self) -> tuple[int, str, str]:
        """Wait for its end. Return the exit status and what it printed from then on, without what was read ahead."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err
