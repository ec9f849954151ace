"""A program that reads our output may end before we do, as `head` does."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootgrant.service.commands.init_site import init_site
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
