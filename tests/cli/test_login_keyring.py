"""`bootgrant login --keyring`, as a process with the real library and a keyring in a file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.answering_server import AnsweringServer, Asked, reply
from support.login import Computer

TOKEN = "bootgrant_" + "t" * 43
WHO = {"name": "ci", "role": "viewer", "labels": ["site=fra"], "via": "token:ci", "person": None, "expires_at": None}
TESTS = Path(__file__).parents[1]


def answer(asked: Asked) -> bytes:
    answers: dict[str, object] = {"whoami": WHO, "pending": {"pending": [], "next": None}, "logout": {"revoked": "ci"}}
    known = asked.headers.get("authorization") == f"Bearer {TOKEN}"
    return reply(200, answers[asked.target.rpartition("/")[2]]) if known else reply(401, {"error": "bad_token"})


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with AnsweringServer(answer) as running:
        yield running


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    place = tmp_path / "keyring.json"
    place.write_text("{}")
    return place


@pytest.fixture
def laptop(tmp_path: Path, keyring: Path) -> Computer:
    backend = {"PYTHON_KEYRING_BACKEND": "support.file_keyring.FileKeyring", "PYTHONPATH": str(TESTS)}
    return Computer(tmp_path, {**backend, "TEST_KEYRING": str(keyring)})


def test_a_token_is_kept_in_the_keyring_used_and_removed(
    server: AnsweringServer, laptop: Computer, keyring: Path
) -> None:
    done = laptop.run("login", server.url, "--token", "--keyring", text=f"{TOKEN}\n")
    assert (done.returncode, done.stdout.endswith("its token is in the keyring\n")) == (0, True), done.stderr
    name = server.url.removeprefix("http://")
    assert json.loads(keyring.read_text()) == {f"bootgrant {name} {server.url}": TOKEN}
    assert TOKEN not in laptop.profiles.read_text()
    assert laptop.run("pending").stdout == "no machines waiting\n"
    assert laptop.run("logout").returncode == 0
    assert json.loads(keyring.read_text()) == {}


def test_a_profile_that_names_another_server_gets_no_token(
    server: AnsweringServer, laptop: Computer, keyring: Path
) -> None:
    laptop.run("login", server.url, "--token", "--keyring", text=f"{TOKEN}\n")
    with AnsweringServer(answer) as other:
        laptop.profiles.write_text(laptop.profiles.read_text().replace(f'"{server.url}"', f'"{other.url}"'))
        refused = laptop.run("pending")
    assert (refused.returncode, "the keyring has no token" in refused.stderr) == (1, True)
    assert other.asked == []


def test_a_locked_or_absent_keyring_is_reported_in_one_line(
    server: AnsweringServer, laptop: Computer, keyring: Path
) -> None:
    laptop.run("login", server.url, "--token", "--keyring", text=f"{TOKEN}\n")
    keyring.unlink()
    locked = laptop.run("pending")
    assert locked.stderr == (
        "bootgrant: the keyring cannot be used (org.freedesktop.Secret.Error.IsLocked): "
        "unlock it, or log in without --keyring\n"
    )
    none = {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    absent = laptop.run("login", server.url, "--name", "two", "--token", "--keyring", text=f"{TOKEN}\n", **none)
    assert absent.stderr.startswith("bootgrant: the keyring cannot be used (there is none on this computer)")
