"""Commands with --server at servers that are not ours: each answer ends a command in one line."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from bootgrant.cli import main
from support.answering_server import AnsweringServer, http, reply

COMMANDS = [
    ["pending"], ["pending", "--watch"], ["status"], ["show", "BCDF-GHJK"], ["approve", "BCDF-GHJK"],
    ["machines", "list"], ["machines", "show", "cp-1"], ["operators", "list"], ["tokens", "list"], ["audit", "list"],
]  # fmt: skip


def refusal(tmp_path: Path, answer: bytes | Iterable[bytes], words: list[str], out: pytest.CaptureFixture[str]) -> str:
    token = tmp_path / "token"
    token.write_text("token\n")
    with AnsweringServer(lambda _: answer) as server:
        assert main([*words, "--server", server.url, "--token-file", str(token)]) == 1
    err = out.readouterr().err
    assert (err.count("\n"), "\x1b" in err) == (1, False)
    return err.replace(server.url, "SERVER")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_answer_without_a_member_is_from_another_version(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    err = refusal(tmp_path, reply(200, {}), words, capsys)
    assert "it is another version of bootgrant, or another server" in err


def test_a_redirect_is_not_followed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = http(302, Location="https://evil.example/\x1b[31m")
    err = refusal(tmp_path, answer, ["pending"], capsys)
    assert "SERVER redirects to https://evil.example/" in err
    assert "name the address that people use" in err


def test_json_that_is_nested_too_deeply_is_not_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = refusal(tmp_path, http(200, b"[" * 200_000), ["pending"], capsys)
    assert err == "bootgrant: SERVER is not a bootgrant server (status 200)\n"


def test_an_answer_without_an_end_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b" " * (1 << 20)))
    err = refusal(tmp_path, endless, ["pending"], capsys)
    assert err == "bootgrant: SERVER is not a bootgrant server (its answer is too long)\n"


def test_the_oldest_machine_is_on_the_last_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status: dict[str, Any] = {
        "version": "1", "revision": None, "now": 0, "certificate_end": None, "chores": [], "sources": [],
        "configurations": {"problem": "", "since": None, "revision": "a", "taken_at": None},
        "database": "sqlite", "replicas": 1, "windows": 0, "waiting": 2,
    }  # fmt: skip
    answers = {
        "status": status,
        "windows": {"windows": []},
        "machines": {"entries": []},
        "pending": {"pending": [{"standing": "expected", "age": 61.0}], "next": "2"},
        "pending?after=2": {"pending": [{"standing": "unknown", "age": 3600.0}], "next": None},
    }
    token = tmp_path / "token"
    token.write_text("token\n")
    with AnsweringServer(lambda asked: reply(200, answers[asked.target.rpartition("/")[2]])) as server:
        assert main(["status", "--server", server.url, "--token-file", str(token)]) == 0
    assert "2 machines: 1 expected, 1 unknown; the oldest for 60:00" in capsys.readouterr().out
