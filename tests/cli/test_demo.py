"""`bootgrant demo` on a terminal of 80 columns and 24 rows: what a person needs next is on the screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import termios
from pathlib import Path

from support.site import bootgrant, clean_environment

COLUMNS, ROWS = 80, 24
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def screen(printed: str) -> list[str]:
    """The rows that a terminal of this size still shows, with long lines wrapped."""
    rows: list[str] = []
    for line in ESCAPES.sub("", printed).replace("\r", "").split("\n"):
        rows += [line[start : start + COLUMNS] for start in range(0, max(1, len(line)), COLUMNS)]
    return rows[-ROWS:]


def read_until(terminal: int, wanted: str, printed: str = "") -> str:
    """Read what the program prints until it contains ``wanted``, or ends."""
    while wanted not in printed:
        try:
            printed += os.read(terminal, 65536).decode()
        except OSError:
            break
    return printed


def test_the_password_and_the_next_step_stay_on_a_small_screen(tmp_path: Path) -> None:
    terminal, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    environment = {**clean_environment(), "TERM": "xterm", "TMPDIR": str(tmp_path), "COLUMNS": ""}
    demo = subprocess.Popen(bootgrant("demo"), stdin=inside, stdout=inside, stderr=inside, env=environment)
    os.close(inside)
    try:
        _approve_what_is_shown(terminal, tmp_path, environment)
        assert demo.wait(30) == 0
    finally:
        demo.terminate()
        demo.wait(30)
        os.close(terminal)


def _approve_what_is_shown(terminal: int, folder: Path, environment: dict[str, str]) -> None:
    printed = read_until(terminal, "bootgrant.toml\r\n", read_until(terminal, "Or in another terminal:"))
    shown = "\n".join(screen(printed))

    code = re.search(r"and type (\w{4}-\w{4});", shown)
    assert code, printed
    assert re.search(rf"open http://127\.0\.0\.1:\d+/device\n +and type {code[1]}; sign in as demo", shown)
    assert re.search(r"with the password (\w{5}-){3}\w{5}$", shown, re.MULTILINE)
    assert "█" not in printed
    assert "scan" not in printed

    approve = shlex.split(f"approve {code[1]} --config {next(folder.glob('*/bootgrant.toml'))}")
    subprocess.run(bootgrant(*approve), env=environment, check=True, capture_output=True)
    rest = read_until(terminal, "docs/start.md")
    assert "Delivered: the machine now has this configuration" in rest
