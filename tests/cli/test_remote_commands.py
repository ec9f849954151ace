"""`bootgrant pending`, `approve` and `deny` with --server and --token-file, as processes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.site import Served, bootgrant, clean_environment, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("remote")) as running:
        yield running


@pytest.fixture(scope="module")
def token(site: Served, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = site.command("tokens", "add", "ci", "--role", "approver", "--for", "1h", "--json")
    file = tmp_path_factory.mktemp("token") / "ci.token"
    file.write_text(json.loads(made.stdout)["token"] + "\n")
    return file


def asks(site: Served, number: int) -> str:
    """A machine that has a configuration asks; the code on its screen."""
    (site.machines / f"{mac(number).replace(':', '-')}.yaml").write_text(
        "version: v1alpha1\nmachine:\n  type: worker\n  ca: {crt: YQ==}\ncluster: {}\n"
    )
    form = {"client_id": "talos", "mac": mac(number)}
    answer = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False)
    code: str = answer.raise_for_status().json()["user_code"]
    return code


def mac(number: int) -> str:
    return f"52:54:00:00:00:{number:02x}"


def elsewhere(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command on a computer that has nothing of the site."""
    return subprocess.run(
        bootgrant(*words), capture_output=True, text=True, timeout=60, env=clean_environment() | environment
    )


def test_machines_are_listed_filtered_and_approved_remotely(site: Served, token: Path) -> None:
    code, _ = asks(site, 1), asks(site, 2)
    there = ("--server", site.url, "--token-file", str(token))
    listed = elsewhere("pending", *there, "--text", mac(1).upper())
    done = elsewhere("approve", code, *there)
    shown = elsewhere("approve", code, BOOTGRANT_SERVER=site.url, BOOTGRANT_TOKEN_FILE=str(token))
    assert [row.split()[0] for row in listed.stdout.splitlines()[1:]] == [code]
    assert done.stdout == f"approved {code} (mac={mac(1)}): it gets 52-54-00-00-00-01.yaml\n"
    assert "already approved by ci (token:ci)" in shown.stderr


def test_several_are_approved_by_one_command(site: Served, token: Path) -> None:
    codes = [asks(site, 10 + number) for number in range(3)]
    done = elsewhere("approve", *codes, "BBBB-BBBB", "--server", site.url, "--token-file", str(token))
    assert (done.returncode, done.stdout.splitlines()) == (
        1,
        [
            f"approved {code} (mac={mac(10 + number)}): it gets 52-54-00-00-00-{10 + number:02x}.yaml"
            for number, code in enumerate(codes)
        ],
    )
    assert done.stderr.startswith("bootgrant: BBBB-BBBB: no machine has this code")


def test_a_remote_denial_names_its_token(site: Served, token: Path) -> None:
    code = asks(site, 20)
    words = ("deny", code, "--reason", "not today", "--server", site.url, "--token-file", str(token), "--json")
    denial = json.loads(elsewhere(*words).stdout)
    assert (denial["state"], denial["decided_by"]) == ("denied", "ci (token:ci)")


def test_a_denial_is_listed_and_taken_back_remotely(site: Served, token: Path, tmp_path: Path) -> None:
    made = site.command("tokens", "add", "watcher", "--role", "viewer", "--for", "1h", "--json")
    watcher = tmp_path / "watcher.token"
    watcher.write_text(json.loads(made.stdout)["token"] + "\n")
    code = asks(site, 21)
    there = ("--server", site.url, "--token-file", str(token))
    seen = elsewhere("pending", "--server", site.url, "--token-file", str(watcher))
    assert code not in seen.stdout
    assert f"{code[:5]}****" in seen.stdout
    denied = elsewhere("deny", code, "--reason", "not today", *there)
    assert denied.stdout.startswith(f"denied {code} (mac={mac(21)}): it is refused until ")
    (row,) = [line for line in elsewhere("pending", "--denied", *there).stdout.splitlines() if code in line]
    assert all(part in row for part in ("ci (token:ci)", "not today", f"mac={mac(21)}"))
    masked = elsewhere("pending", "--denied", "--server", site.url, "--token-file", str(watcher))
    assert (code in masked.stdout, "bootgrant undeny" in masked.stdout) == (False, False)
    done = elsewhere("undeny", code, *there)
    assert (done.returncode, done.stdout) == (0, f"took back the denial of {code} (mac={mac(21)}): it may ask again\n")
    again = elsewhere("undeny", code, *there, "--json")
    assert (again.returncode, json.loads(again.stdout)["error"]) == (1, "not_refused")
    assert asks(site, 21) != code


def test_an_approval_is_revoked_locally_and_remotely(site: Served, token: Path, tmp_path: Path) -> None:
    made = site.command("tokens", "add", "chief", "--role", "admin", "--for", "1h", "--json")
    boss = tmp_path / "boss.token"
    boss.write_text(json.loads(made.stdout)["token"] + "\n")
    code = ""
    for number, words in ((30, ("--server", site.url, "--token-file", str(boss))), (31, ())):
        code = asks(site, number)
        early = site.command("revoke", code)
        assert (early.returncode, "there is no approval to revoke: the request is pending" in early.stderr) == (
            1,
            True,
        )
        assert site.command("approve", code).returncode == 0
        done = elsewhere("revoke", code, *words) if words else site.command("revoke", code)
        assert (done.returncode, done.stdout) == (0, f"revoked the approval of {code} (mac={mac(number)})\n")
    refused = elsewhere("revoke", code, "--server", site.url, "--token-file", str(token))
    assert (refused.returncode, "this needs the role admin" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--server", "https://boot.example.org"), "--server needs --token-file"),
        (("--server", "http://boot.example.org", "--token-file", "TOKEN"), "use https"),
        (("--server", "boot.example.org", "--token-file", "TOKEN"), "is not the address of a server"),
        (("--server", "http://[::1", "--token-file", "TOKEN"), "is not the address of a server"),
        (("--server", "http://127.0.0.1:1", "--token-file", "TOKEN"), "http://127.0.0.1:1 cannot be reached"),
        (("--server", "http://127.0.0.1:1", "--token-file", "/nothing"), "cannot be read"),
    ],
)
def test_an_unusable_server_or_token_is_reported_in_one_line(token: Path, words: tuple[str, ...], reason: str) -> None:
    done = elsewhere("pending", *(str(token) if word == "TOKEN" else word for word in words))
    status = 2 if "address of a server" in reason or "use https" in reason else 1
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert reason in done.stderr


def test_an_invalid_token_is_reported(site: Served, tmp_path: Path) -> None:
    (tmp_path / "old").write_text(f"bootgrant_{'A' * 43}\n")
    done = elsewhere("pending", "--server", site.url, "--token-file", str(tmp_path / "old"))
    assert done.returncode == 1
    assert "unknown, revoked or expired" in done.stderr


def test_windows_and_the_audit_are_available_remotely(site: Served, token: Path) -> None:
    there = ("--server", site.url, "--token-file", str(token))
    armed = elsewhere("arm", "role=spare", "--for", "1h", "--count", "2", "--name", "spares", "--force", *there)
    listed = elsewhere("arm", "--list", *there)
    closed = elsewhere("disarm", "spares", *there)
    audit = elsewhere("audit", "--kind", "armed", *there)
    export = elsewhere("audit", "export", *there)
    assert armed.returncode == 0, armed.stderr
    assert "spares" in listed.stdout
    assert closed.returncode == 0, closed.stderr
    assert "ci (token:ci)" in audit.stdout
    assert (export.returncode, "works on the server itself" in export.stderr) == (2, True)


def test_a_truncated_list_says_so(site: Served, token: Path) -> None:
    with httpx2.Client(trust_env=False) as machines:
        for number in range(501):
            form = {"client_id": "talos", "serial": f"MANY{number:04}"}
            machines.post(f"{site.url}/device/code", data=form).raise_for_status()
    there = ("--server", site.url, "--token-file", str(token))
    assert elsewhere("pending", *there).stdout.splitlines()[-1].startswith("only the newest 500 are shown")
    assert "only the newest" not in elsewhere("pending", "--text", "many0001", *there).stdout


def test_operators_and_tokens_are_available_remotely(site: Served, tmp_path: Path) -> None:
    made = site.command("tokens", "add", "boss", "--role", "admin", "--for", "1h", "--json")
    (tmp_path / "boss").write_text(json.loads(made.stdout)["token"] + "\n")
    there = ("--server", site.url, "--token-file", str(tmp_path / "boss"))
    added = elsewhere("operators", "add", "zoe", "--role", "viewer", "--label", "site=fra", *there)
    changed = elsewhere("operators", "set", "zoe", "--role", "approver", "--every-machine", *there)
    closed = elsewhere("operators", "disable", "zoe", *there)
    [zoe] = [row.split() for row in elsewhere("operators", "list", *there).stdout.splitlines() if row.startswith("zoe")]
    assert "the password is " in added.stdout
    assert (changed.stdout, closed.stdout) == ("changed zoe\n", "disabled zoe\n")
    assert zoe[1:4] == ["approver", "every", "machine"]
    new = elsewhere("tokens", "add", "grafana", "--for", "1h", *there)
    listed = elsewhere("tokens", "list", *there)
    ended = elsewhere("tokens", "revoke", "grafana", *there)
    again = elsewhere("tokens", "revoke", "grafana", *there)
    assert new.stdout.startswith("bootgrant_")
    assert "grafana" in listed.stdout
    assert (ended.stdout, again.returncode) == ("revoked grafana\n", 1)


def test_a_password_is_never_sent_to_a_remote_server(site: Served, token: Path, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("an unlikely password\n")
    words = ("operators", "reset", "ana", "--password-file", str(tmp_path / "password"))
    done = elsewhere(*words, "--server", site.url, "--token-file", str(token))
    assert (done.returncode, "only be chosen on the server itself" in done.stderr) == (2, True)
