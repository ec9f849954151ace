"""A machine that is authorized by an outside provider and fetches its configuration from a bootgrant server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.grants import MAC, UUID
from support.site import Acquiring, acquiring, wait_until

_VISIT = re.compile(r"please visit the URL (\S+) and enter the code (\S+)")


@dataclass(slots=True)
class OutsideMachine(Acquiring):
    """One that is authorized by a provider."""

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


@contextmanager
def machine(folder: Path, cmdline: str, *words: str) -> Iterator[OutsideMachine]:
    """Boot with these kernel parameters, on one line or several; it has ended after the block."""
    output, console = folder / "config.yaml", folder / "console"
    identity = ("--set", f"uuid={UUID}", "--set", f"mac={MAC}")
    with acquiring(
        ["--cmdline", " ".join(cmdline.split()), *identity, "--output", str(output), *words], console
    ) as process:
        yield OutsideMachine(process, output, console)
