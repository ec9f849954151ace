"""`bootgrant pending --watch`: lines for programs, a list in place for people, and a server that restarts."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from bootgrant.cli.client.watch import watch
from bootgrant.cli.output import Json, Refused
from support.grants import UUID
from support.site import Served, bootgrant, clean_environment, served

NOBODY: Json = {"pending": [], "next": None}


def waiting(*numbers: int) -> Json:
    return {"pending": [machine(number) for number in reversed(numbers)], "next": None}


def machine(number: int) -> Json:
    return {
        "id": f"{number:04}",
        "code": f"BBBB-BBB{'BCDFGHJK'[number]}",
        "state": "pending",
        "identity": {"serial": f"SN{number}"},
        "address": "10.20.0.11",
        "network": "",
        "age": 1.0,
        "left": 599.0,
        "entry": None,
        "problem": "no configuration",
        "standing": "unknown",
        "alike": [],
        "assigned_by": None,
        "needed": 1,
        "votes": [],
        "void_votes": [],
        "evidence": [],
        "undelivered": None,
    }


def watched(answers: list[Json | Refused], *, as_json: bool = False) -> None:
    """Watch a server that gives these answers, and press Ctrl-C after the last one."""
    left: Iterator[Json | Refused] = iter(answers)

    def ask() -> Json:
        answer = next(left, None)
        if answer is None:
            raise KeyboardInterrupt
        if isinstance(answer, Refused):
            raise answer
        return answer

    with pytest.raises(KeyboardInterrupt):
        watch(ask, as_json=as_json, color="auto", pause=lambda: None)


def test_each_request_is_one_line_once_oldest_first(capsys: pytest.CaptureFixture[str]) -> None:
    watched([waiting(1, 2), waiting(1, 2), waiting(2, 3), waiting(1, 3), NOBODY])
    lines = capsys.readouterr().out.splitlines()
    assert [line.rsplit("=", 1)[1] for line in lines] == ["SN1", "SN2", "SN3"]
    assert all(line.startswith("BBBB-BBB") for line in lines)


def test_with_json_each_line_is_the_request_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    watched([waiting(1), waiting(1, 2)], as_json=True)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [machine(1), machine(2)]


def test_a_restart_is_reported_once_and_nothing_is_repeated(capsys: pytest.CaptureFixture[str]) -> None:
    away = Refused("not_running", "the server is not running")
    watched([waiting(1), away, away, Refused("no_answer", "timeout"), waiting(1, 2)])
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 2
    assert printed.err == (
        "bootgrant: the server does not answer; waiting for it\nbootgrant: the server answers again\n"
    )


@pytest.mark.parametrize(
    "answers",
    [
        [Refused("not_running", "the server is not running")],
        [waiting(1), Refused("bad_token", "this token is revoked")],
    ],
)
def test_a_refusal_and_a_server_that_never_answered_end_it(answers: list[Json | Refused]) -> None:
    left = iter(answers)

    def ask() -> Json:
        answer = next(left)
        if isinstance(answer, Refused):
            raise answer
        return answer

    with pytest.raises(Refused):
        watch(ask, as_json=False, color="auto", pause=lambda: None)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("watch")) as running:
        yield running


def test_on_a_terminal_the_list_changes_in_place_and_survives_a_restart(site: Served) -> None:
    terminal, screen = pty.openpty()
    words = bootgrant("pending", "--watch", "--config", str(site.made.config))
    environ = {**clean_environment(), "TERM": "xterm", "PYTHONIOENCODING": "utf-8"}
    process = subprocess.Popen(words, stdout=screen, stderr=screen, env=environ, start_new_session=True)
    os.close(screen)
    read = reader(terminal)
    read("no machines waiting")
    form = {"client_id": "talos", "uuid": UUID}
    code = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False).json()["user_code"]
    shown = read(code)
    assert "\x1b[32m✓ expected\x1b[0m" in shown + read("expected")
    site.stop()
    read("the server does not answer; waiting for it")
    site.start()
    assert "1 machine waiting" in read("1 machine waiting")
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(30) == 130
    assert "Traceback" not in read("")
    os.close(terminal)


def reader(terminal: int) -> Callable[[str], str]:
    """A function that returns what the terminal shows, from the last call until ``wanted`` is in it."""

    def read(wanted: str) -> str:
        shown, until = "", time.monotonic() + 60
        while not wanted or wanted not in shown:
            assert time.monotonic() < until, shown
            if not select.select([terminal], [], [], 0.2)[0]:
                if not wanted:
                    break
                continue
            try:
                shown += os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                break
        return shown

    return read


def test_into_a_pipe_it_prints_a_line_for_each_request_and_ctrl_c_is_quiet(site: Served, tmp_path: Path) -> None:
    httpx2.post(f"{site.url}/device/code", data={"client_id": "talos", "serial": "PIPED1"}, trust_env=False)
    words = bootgrant("pending", "--watch", "--json", "--config", str(site.made.config))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while json.loads(process.stdout.readline())["identity"].get("serial") != "PIPED1":
            pass
        process.send_signal(signal.SIGINT)
        assert (process.wait(30), process.stderr.read()) == (130, b"")
