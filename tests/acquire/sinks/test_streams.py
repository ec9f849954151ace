"""Configurations handed to another program: on standard output, and to a command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bootgrant.acquire.errors import OutputFailed
from bootgrant.acquire.sinks.streams import CommandSink, StdoutSink

CONFIG = b"machine: \xff\n" * 50_000  # more than a pipe holds
WRITE = "from bootgrant.acquire.sinks.streams import StdoutSink; StdoutSink().write(b'machine: \\xff\\n' * 50_000)"


def test_standard_output_writes_every_byte_to_a_pipe() -> None:
    assert subprocess.run([sys.executable, "-c", WRITE], capture_output=True, check=True).stdout == CONFIG


def test_standard_output_may_be_a_file(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        subprocess.run([sys.executable, "-c", WRITE], stdout=out, check=True)
    assert (tmp_path / "out").read_bytes() == CONFIG


def test_a_full_disk_on_standard_output_is_a_failure() -> None:
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run([sys.executable, "-c", WRITE], stdout=full, stderr=subprocess.PIPE, text=True)
    assert "OutputFailed: cannot write to standard output (No space left on device)" in result.stderr


def test_a_command_reads_the_whole_configuration(tmp_path: Path) -> None:
    assert CommandSink("true").already_there() is None
    description = CommandSink(f"cat >{tmp_path}/once; cat /dev/stdin >{tmp_path}/again").write(CONFIG)
    assert (tmp_path / "once").read_bytes() == CONFIG
    assert (tmp_path / "again").read_bytes() == CONFIG
    assert description.startswith("the command cat")


def test_a_command_may_ignore_its_input() -> None:
    CommandSink(":").write(CONFIG)


@pytest.mark.parametrize(
    ("command", "ending"),
    [
        ("exit 3", "exited with status 3"),
        ("no-such-command-here 2>/dev/null", "status 127"),
        ("kill -KILL $$", "Killed"),
    ],
)
def test_a_command_that_fails_is_a_failed_delivery(command: str, ending: str) -> None:
    with pytest.raises(OutputFailed, match=ending):
        CommandSink(command).write(CONFIG)


def test_the_process_list_shows_nothing_of_the_configuration(tmp_path: Path) -> None:
    CommandSink(f"tr '\\0' ' ' </proc/$$/cmdline >{tmp_path}/arguments; env >>{tmp_path}/arguments").write(b"s3cr3t")
    assert "s3cr3t" not in (tmp_path / "arguments").read_text()


def test_standard_output_never_has_a_configuration_already() -> None:
    assert StdoutSink().already_there() is None
