"""Evidence from commands of the site, including commands that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.evidence.command import CommandEvidence, _Unusable, read_answer
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.evidence import Claim
from support.grants import UUID, pending_grant

pytestmark = pytest.mark.anyio


def claim() -> Claim:
    return Claim(pending_grant()[0], MachineEntry("cp-1", "uuid", {"site": "fra"}))


async def evidence_of(program: str, limit: float = 20.0) -> Check:
    command = (sys.executable, "-I", "-S", "-c", program)
    (check,) = await CommandEvidence("bmc", command, limit).check(claim())
    return check


async def test_the_command_reads_the_claim_and_prints_evidence(tmp_path: Path) -> None:
    received = tmp_path / "received.json"
    check = await evidence_of(
        f"import sys, json; asked = sys.stdin.read(); open({str(received)!r}, 'w').write(asked); "
        "print(json.dumps({'evidence': [{'verdict': 'match', 'detail': 'on since 2 min'}]}))"
    )
    assert check == Check("bmc", Verdict.MATCH, "on since 2 min")
    asked = json.loads(received.read_text())
    assert asked["machine"]["uuid"] == UUID
    assert asked["entry"] == {"name": "cp-1", "labels": {"site": "fra"}, "matched": "uuid"}


async def test_a_command_may_say_which_variables_it_compared() -> None:
    rows = '{"evidence": [{"verdict": "match", "detail": "", "about": ["mac", "serial", "colour"]}]}'
    (check,) = read_answer("bmc", rows.encode())
    assert check.about == ("serial", "mac")


@pytest.mark.parametrize(
    ("program", "detail"),
    [
        ("print('all fine')", "did not print"),
        ("print('{\"evidence\": []}')", "printed 0 checks"),
        ("import sys; sys.exit('no such\\nhost bmc-7')", "failed with status 1: host bmc-7"),
        ("print('x' * 1000000)", "printed more than 64 KiB"),
        ("import sys; sys.stderr.write('x' * 1000000)", "printed more than 64 KiB"),
        ('print(\'{"evidence": [{"verdict": "yes", "detail": ""}]}\')', "did not print"),
        ('print(\'{"evidence": [{"verdict": "match", "detail": "", "about": "mac"}]}\')', "did not print"),
    ],
)
async def test_a_command_that_fails_or_prints_nonsense_is_unknown(program: str, detail: str) -> None:
    check = await evidence_of(program)
    assert check.verdict is Verdict.UNKNOWN
    assert detail in check.detail


def test_a_command_that_ends_without_reading_is_unknown_in_the_loop_of_the_server() -> None:
    async def check_all() -> set[Verdict]:
        source = CommandEvidence("bmc", ("/bin/true",), 20.0, 1.0)
        return {check.verdict for _ in range(40) for check in await source.check(claim())}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(check_all()) == {Verdict.UNKNOWN}


async def test_a_missing_command_is_unknown() -> None:
    (check,) = await CommandEvidence("bmc", ("/nowhere/bmc",), 1.0).check(claim())
    assert (check.verdict, check.detail) == (Verdict.UNKNOWN, "cannot be started: No such file or directory")


async def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    check = await evidence_of(
        "import os, time, subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)']); "
        f"open({str(pids)!r}, 'w').write(str(child.pid)); time.sleep(300)",
        limit=2.0,
    )
    assert check.detail == "did not answer in 2 s"
    assert is_gone(int(pids.read_text()))


async def test_the_command_does_not_get_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOOTGRANT_DATABASE_URL", "postgresql://secret")
    program = (
        "import os, json; "
        "print(json.dumps({'evidence': [{'verdict': 'unknown', 'detail': ' '.join(sorted(os.environ))}]}))"
    )
    assert "BOOTGRANT" not in (await evidence_of(program)).detail


async def test_a_detail_is_one_line_of_limited_length() -> None:
    check = await evidence_of(
        "import json; print(json.dumps({'evidence': [{'verdict': 'match', 'detail': 'a\\n\\x1b[31m' + 'b' * 9999}]}))"
    )
    assert check.detail.startswith("a [31mbbb")
    assert len(check.detail) == 300


@given(st.binary(max_size=200))
def test_arbitrary_output_gives_checks_or_is_unusable(answer: bytes) -> None:
    try:
        assert read_answer("bmc", answer)
    except _Unusable:
        return


def is_gone(pid: int) -> bool:
    """Whether a killed process is gone, or soon is: its new parent has to reap it."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.01)
    return False
