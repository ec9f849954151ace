"""`bootgrant completion`, as the shells themselves use it."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from bootgrant.cli import SUMMARIES, main

BASH = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
name=$(complete -p bootgrant | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$name" bootgrant "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
LINES = [
    ("pend", ["pending"]),
    ("tokens ", ["add", "list", "revoke"]),
    ("tokens add --ro", ["--role"]),
    ("tokens add ci --role ", ["admin", "approver", "auditor", "viewer"]),
    ("approve WDJB-MJHT --js", ["--json"]),
    ("kernel-args --as s", ["schematic", "systemd-boot"]),
]


def script(shell: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", shell]) == 0
    path = folder / "_bootgrant"
    path.write_text(capsys.readouterr().out)
    return path


def test_bash_completes_commands_options_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = script("bash", tmp_path, capsys)

    def completed(line: str) -> list[str]:
        words = ["bash", "--norc", "-c", BASH, "bash", str(path), "bootgrant", *line.split(" ")]
        return sorted(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())

    assert completed("") == sorted(SUMMARIES)
    assert [completed(line) for line, _ in LINES] == [expected for _, expected in LINES]
    (tmp_path / "site.toml").touch()
    assert completed(f"pending --config {tmp_path}/si") == [f"{tmp_path}/site.toml"]


def test_fish_completes_commands_options_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("needs fish")
    path = script("fish", tmp_path, capsys)
    asked = "; ".join(f"complete -C 'bootgrant {line}'; echo ==" for line, _ in LINES)
    words = ["fish", "--no-config", "-c", f"source {path}; {asked}"]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)})
    found = [sorted(row.split("\t")[0] for row in part.split("\n") if row) for part in done.stdout.split("==\n")]
    assert found[:-1] == [expected for _, expected in LINES], done.stderr


def test_zsh_completes_a_command_and_its_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("zsh") is None:
        pytest.skip("needs zsh")
    script("zsh", tmp_path, capsys)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb", "HOME": str(tmp_path), "COLUMNS": "200"})
    try:
        start = f"fpath=({tmp_path} $fpath); autoload -Uz compinit && compinit -u -D; echo REA''DY\n"
        os.write(terminal, start.encode())
        read_until(terminal, "READY\r\n")
        os.write(terminal, b"bootgrant pend\t--wa\t")
        read_until(terminal, "--watch")
        os.write(terminal, b"\x15bootgrant tokens \t\t")
        assert "revoke a token at once" in read_until(terminal, "revoke a token at once")
    finally:
        os.close(terminal)
        os.waitpid(pid, 0)


def read_until(terminal: int, wanted: str, seconds: float = 30.0) -> str:
    """What the terminal shows until ``wanted`` is in it."""
    shown, until = "", time.monotonic() + seconds
    while wanted not in shown:
        assert time.monotonic() < until, shown
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown
