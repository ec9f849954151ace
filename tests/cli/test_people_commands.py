"""`bootgrant operators` and `bootgrant tokens`, with the server running and without."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx2
import pytest

from bootgrant.cli.client.asking import user_here
from bootgrant.service.commands.init_site import NewSite, init_site
from bootgrant.store.folder_lock import FolderLock
from support.grants import UUID
from support.site import CONFIG, Served, bootgrant, clean_environment, served

ONCE = re.compile(r"the password is (\S+) \(shown once: keep it now\)")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("people")) as site:
        yield site


@pytest.fixture
def stopped(tmp_path: Path) -> NewSite:
    return init_site(tmp_path / "site", "http://127.0.0.1:1", "127.0.0.1:1", "ana")


def command(site: NewSite, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bootgrant(*words, "--config", str(site.config)),
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )


def signs_in(site: Served, name: str, password: str) -> bool:
    form = {"name": name, "password": password, "next": "/"}
    answer = httpx2.post(f"{site.url}/login", data=form, headers={"origin": site.url}, trust_env=False)
    return answer.status_code == 303


def test_an_operator_is_added_disabled_enabled_and_reset_while_the_server_runs(running: Served) -> None:
    added = running.command("operators", "add", "ben", "--label", "site=fra")
    assert (added.returncode, added.stderr) == (0, "")
    [password] = ONCE.findall(added.stdout)
    assert signs_in(running, "ben", password)
    assert running.command("operators", "disable", "ben").stdout == "disabled ben\n"
    assert not signs_in(running, "ben", password)
    assert running.command("operators", "enable", "ben").stdout == "enabled ben\n"
    [another] = ONCE.findall(running.command("operators", "reset", "ben").stdout)
    assert not signs_in(running, "ben", password)
    assert signs_in(running, "ben", another)


def test_disabling_says_how_many_approvals_became_void(running: Served) -> None:
    name = user_here()
    running.command("operators", "add", name)
    (running.machines / f"{UUID}.yaml").write_text(CONFIG)
    form = {"client_id": "talos", "uuid": UUID}
    code = httpx2.post(f"{running.url}/device/code", data=form, trust_env=False).json()["user_code"]
    assert running.command("approve", code).returncode == 0
    assert running.command("operators", "disable", name).stdout == (
        f"disabled {name}; 1 undelivered approval became void: that machine asks again\n"
    )
    running.command("operators", "enable", name)


def test_the_same_works_on_the_database_while_no_server_runs(stopped: NewSite) -> None:
    assert ONCE.search(command(stopped, "operators", "add", "ben", "--role", "viewer", "--label", "site=fra").stdout)
    assert ONCE.search(command(stopped, "operators", "add", "glass", "--role", "admin", "--break-glass").stdout)
    command(stopped, "operators", "disable", "ben")
    listed = json.loads(command(stopped, "operators", "list", "--json").stdout)["operators"]
    found = [(one["name"], one["role"], one["labels"], one["kind"], bool(one["disabled_at"])) for one in listed]
    assert found == [
        ("ana", "admin", [], "local", False),
        ("ben", "viewer", ["site=fra"], "local", True),
        ("glass", "admin", [], "break-glass", False),
    ]


def test_the_list_says_whom_a_provider_disabled_and_enable_enables_them(stopped: NewSite) -> None:
    command(stopped, "operators", "add", "ben")
    with closing(sqlite3.connect(stopped.config.parent / "data" / "bootgrant.sqlite3")) as database, database:
        database.execute("UPDATE operators SET disabled_at = 86400, disabled_by = 'provider' WHERE name = 'ben'")
    assert "disabled 1970-01-02 00:00 by the provider" in command(stopped, "operators", "list").stdout
    assert command(stopped, "operators", "enable", "ben").stdout == "enabled ben\n"
    assert "disabled" not in command(stopped, "operators", "list").stdout


@pytest.mark.parametrize("role", ["viewer", "auditor", "approver", "admin"])
def test_every_role_is_given_to_operators_and_tokens(stopped: NewSite, role: str) -> None:
    command(stopped, "operators", "add", "ben", "--role", role)
    command(stopped, "tokens", "add", "ci", "--role", role, "--for", "1d")
    for kind in ("operators", "tokens"):
        listed = json.loads(command(stopped, kind, "list", "--json").stdout)[kind]
        assert (listed[-1]["name"], listed[-1]["role"]) == ("ben" if kind == "operators" else "ci", role)
    changed = command(stopped, "operators", "set", "ben", "--role", "auditor")
    assert changed.stdout == "changed ben\n"


def test_another_role_leaves_the_limits_until_they_are_lifted(stopped: NewSite) -> None:
    command(stopped, "operators", "add", "ben", "--label", "site=fra")
    assert command(stopped, "operators", "set", "ben", "--role", "viewer").stdout == "changed ben\n"
    assert "viewer  site=fra" in command(stopped, "operators", "list").stdout
    command(stopped, "operators", "set", "ben", "--role", "approver", "--every-machine")
    assert re.search(r"ben +approver +every machine", command(stopped, "operators", "list").stdout)


def test_a_password_from_a_file_is_used_and_not_shown(running: Served, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery staple\nnot this\n")
    added = running.command("operators", "add", "cyd", "--password-file", str(file))
    assert added.stdout == "added cyd\n"
    assert signs_in(running, "cyd", "correct horse battery staple")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["operators", "add", "ana"], "the operator 'ana' exists already"),
        (["operators", "add", "a:b"], "cannot be the name of an operator"),
        (["operators", "add", "ben", "--label", "fra"], 'write "site=fra"'),
        (["operators", "add", "ben", "--password-file", "/dev/null"], "12 to 1024 characters"),
        (["operators", "add", "ben", "--password-file", "/nowhere"], "No such file"),
        (["operators", "add", "ben", "--break-glass", "--password-file", "/etc/hostname"], "is always generated"),
        (["operators", "add", "ben", "--ask-password"], "--ask-password needs a terminal"),
        (["operators", "disable", "eve"], "there is no operator 'eve'"),
        (["operators", "reset", "eve"], "there is no operator 'eve'"),
        (["operators", "set", "eve", "--role", "admin"], "there is no operator 'eve'"),
        (["tokens", "revoke", "ci"], "there is no token 'ci'"),
        (["tokens", "add", "c i"], "cannot be the name of a token"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(stopped: NewSite, words: list[str], reason: str) -> None:
    done = command(stopped, *words)
    # A label without a value is a bad argument.
    assert (done.returncode, done.stdout) == (2 if "fra" in words else 1, "")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_token_is_shown_once_listed_without_itself_and_revoked(running: Served) -> None:
    made = running.command("tokens", "add", "ci", "--role", "approver", "--for", "12h")
    token, summary = made.stdout.splitlines()
    assert token.startswith("bootgrant_")
    assert summary.startswith("created ci, valid until ")
    listed = running.command("tokens", "list")
    assert re.search(r"^ci +approver +every machine", listed.stdout, re.MULTILINE)
    assert token not in listed.stdout
    assert running.command("tokens", "revoke", "ci").stdout == "revoked ci\n"
    assert running.command("tokens", "list").stdout == "there are no tokens\n"


def test_the_servers_log_contains_neither_a_password_nor_a_token(running: Served) -> None:
    [password] = ONCE.findall(running.command("operators", "add", "dan").stdout)
    token = json.loads(running.command("tokens", "add", "log", "--json").stdout)["token"]
    assert "'dan'" in running.log
    assert password not in running.log
    assert token not in running.log


def test_a_command_waits_for_a_server_that_is_starting(stopped: NewSite) -> None:
    words = bootgrant("operators", "add", "ben", "--config", str(stopped.config))
    with closing(FolderLock(stopped.config.parent / "data")):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        assert process.stderr.readline() == (
            "bootgrant: a server is starting or stopping: waiting for it, at most 30 s\n"
        )
    printed, more = process.communicate(timeout=60)
    assert (process.returncode, more) == (0, "")
    assert ONCE.search(printed)
