"""A machine that is authorized by an outside provider and fetches its configuration from a bootgrant server."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.grants import MAC, UUID
from support.site import bootgrant, clean_environment, wait_until

_VISIT = re.compile(r"please visit the URL (\S+) and enter the code (\S+)")


@dataclass(slots=True)
class OutsideMachine:
    """A running `bootgrant acquire` as the machine UUID."""

    process: subprocess.Popen[bytes]
    output: Path
    console: Path

    @property
    def said(self) -> str:
        return self.console.read_text()

    def codes(self) -> list[tuple[str, str]]:
        """The addresses and codes that it has shown, in order."""
        return _VISIT.findall(self.said)

    def code(self, number: int = 1) -> tuple[str, str]:
        """The address and the code that it shows as the ``number``-th."""
        shown = lambda: len(self.codes()) >= number or self.process.poll() is not None  # noqa: E731
        wait_until(shown, "the machine shows its code", 60)
        assert len(self.codes()) >= number, self.said
        return self.codes()[number - 1]

    def complete_url(self, number: int = 1) -> str:
        """What its QR code says, for a provider that names the parameter as RFC 8628 section 3.3.1 does."""
        url, code = self.code(number)
        return f"{url}?user_code={code}"

    def shows(self, text: str) -> None:
        wait_until(lambda: text in self.said or self.process.poll() is not None, f"the console shows {text!r}", 60)
        assert text in self.said, self.said

    def delivered(self, seconds: float = 90) -> str:
        assert self.process.wait(seconds) == 0, self.said
        return self.output.read_text()


@contextmanager
def machine(folder: Path, cmdline: str, *words: str) -> Iterator[OutsideMachine]:
    """Boot with these kernel parameters, on one line or several; it has ended after the block."""
    command = bootgrant("acquire", "--cmdline", " ".join(cmdline.split()), "--set", f"uuid={UUID}")
    output, console = folder / "config.yaml", folder / "console"
    with console.open("wb") as screen:
        process = subprocess.Popen(
            [*command, "--set", f"mac={MAC}", "--output", str(output), *words],
            stdin=subprocess.DEVNULL,
            stderr=screen,
            env=clean_environment(),
        )
    try:
        yield OutsideMachine(process, output, console)
    finally:
        process.kill()
        process.wait()
