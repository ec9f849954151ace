"""What a command prints about a database that it cannot use has no part of the password in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from bootgrant.service.commands.init_site import init_site
from support.site import bootgrant, clean_environment

COMMANDS = [
    ["serve"],
    ["doctor"],
    ["migrate"],
    ["operators", "list"],
    ["audit", "verify"],
    ["pending"],
]


def printed(url: str, *words: str) -> str:
    environment = {**clean_environment(), "BOOTGRANT_DATABASE_URL": url}
    done = subprocess.run(bootgrant(*words), capture_output=True, text=True, env=environment, timeout=60)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_password_that_cuts_the_url_is_not_in_the_output(tmp_path: Path, words: list[str]) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:0", "ana")
    message = printed(
        "postgresql://boot:S3cr/et@127.0.0.1:5999/db", *words, "--config", str(tmp_path / "bootgrant.toml")
    )
    assert "BOOTGRANT_DATABASE_URL: not a URL such as" in message
    assert not [each for each in ("S3cr", "et@127", "Traceback") if each in message]


@pytest.mark.parametrize("words", [["migrate"], ["operators", "list"], ["audit", "verify"]], ids=" ".join)
def test_an_error_of_the_driver_does_not_repeat_the_password(tmp_path: Path, words: list[str]) -> None:
    init_site(tmp_path, "https://boot.example", "127.0.0.1:0", "ana")
    url = "postgresql://boot:S3cr%2Fet@127.0.0.1:1/db?sslpassword=S3cret"
    message = printed(url, *words, "--config", str(tmp_path / "bootgrant.toml"))
    assert "postgresql://boot@127.0.0.1:1/db" in message
    assert not [each for each in ("S3cr", "Traceback") if each in message]


def test_init_repeats_no_password_from_its_command_line(tmp_path: Path) -> None:
    for url in (
        "postgresql://boot:S3cr/et@127.0.0.1/db",
        "postgresql://boot:S3cret@127.0.0.1/db",
        "postgresql://boot@127.0.0.1/db?pass%77ord=S3cret",
        "postgresql://[boot:S3cret@127.0.0.1/db",
        "host=127.0.0.1 password = S3cret",
    ):
        done = subprocess.run(
            bootgrant("init", str(tmp_path / "site"), "--database-url", url),
            capture_output=True, text=True, env=clean_environment(), timeout=60,
        )  # fmt: skip
        assert done.returncode == 1
        assert "--database-url" in done.stderr
        assert not [each for each in ("S3cr", "Traceback") if each in done.stdout + done.stderr]
        assert not (tmp_path / "site").exists()
