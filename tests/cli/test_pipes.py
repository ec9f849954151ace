"""A program that reads our output may end before we do, as `head` does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootgrant.service.commands.init_site import init_site
from support.answering_server import AnsweringServer, reply
from support.site import bootgrant, clean_environment


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init_site(tmp_path_factory.mktemp("pipes") / "site", "http://127.0.0.1:1", "127.0.0.1:1", "ana").config


@pytest.mark.parametrize("words", [("--help",), ("audit", "export"), ("operators", "list", "--json")])
def test_a_closed_pipe_ends_a_command_quietly(config: Path, words: tuple[str, ...]) -> None:
    where = () if words == ("--help",) else ("--config", str(config))
    with subprocess.Popen(
        bootgrant(*words, *where), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_environment()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert (process.stderr.read(), process.wait(60)) == (b"", 141)


def test_a_full_disk_is_reported_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(bootgrant("--help"), stdout=full, stderr=subprocess.PIPE, env=clean_environment())
    assert (done.returncode, done.stderr) == (1, b"bootgrant: the output cannot be written: No space left on device\n")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_without_standard_streams_ends_as_usual(closed: str) -> None:
    for words, status in ((["profiles"], 0), (["approve", "foo"], 2), (["login", "http://localhost:1", "--token"], 1)):
        run = ["sh", "-c", f'exec "$@" {closed}', "sh", *bootgrant(*words)]
        done = subprocess.run(run, capture_output=True, stdin=subprocess.DEVNULL, env=clean_environment())
        assert (done.returncode, b"Traceback" in done.stderr) == (status, False)


def test_a_list_without_standard_output_ends_as_usual(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("token\n")
    with AnsweringServer(lambda _: reply(200, {"pending": [], "next": None})) as server:
        words = bootgrant("pending", "--server", server.url, "--token-file", str(token))
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" >&-', "sh", *words], stderr=subprocess.PIPE, env=clean_environment()
        )
    assert (done.returncode, done.stderr) == (0, b"")
