"""`bootgrant revoke --by NAME --since TIME`, and that `bootgrant revoke CODE` works as before."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.grants import MAC, UUID
from support.site import Served, bootgrant, clean_environment, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("undo")) as running:
        yield running


def me() -> str:
    """Return the name that the admin socket records for this user."""
    return os.environ.get("SUDO_USER") or getpass.getuser()


def approved(site: Served) -> str:
    """Let the machine UUID ask, and approve it. Return its code."""
    claim = {"client_id": "talos", "uuid": UUID, "mac": MAC}
    codes = httpx2.post(f"{site.url}/device/code", data=claim, trust_env=False).raise_for_status().json()
    done = site.command("approve", codes["user_code"])
    assert done.returncode == 0, done.stderr
    return str(codes["user_code"])


def kinds(site: Served) -> list[str]:
    """Return the kinds of the newest records, oldest first, without those of requests, which follow a little later."""
    found = [json.loads(line)["kind"] for line in site.command("audit", "--json").stdout.splitlines()]
    return [kind for kind in found if kind != "opened"]


def test_a_dry_run_lists_what_the_undo_then_does(site: Served) -> None:
    approved(site)
    armed = site.command("arm", f"{UUID}.yaml", "--for", "1h", "--count", "1", "--name", "later")
    assert armed.returncode == 0, armed.stderr
    dry = site.command("revoke", "--by", me(), "--since", "1h", "--dry-run")
    assert (dry.returncode, kinds(site)[-1]) == (0, "armed"), dry.stderr
    first, *lines = dry.stdout.splitlines()
    assert first.startswith(f"would be undone: what {me()} approved since 20")
    assert (
        f"  the approval would be revoked: uuid={UUID} mac={MAC} as {UUID}.yaml, by {me()} (admin.sock), " in dry.stdout
    )
    assert f"  with --windows: window closed: later ({UUID}.yaml), 1 of 1 left" in lines
    done = site.command("revoke", "--by", me(), "--since", "1h", "--all")
    assert done.returncode == 0, done.stderr
    assert f"  approval revoked: uuid={UUID} mac={MAC} as {UUID}.yaml, by {me()}" in done.stdout
    assert f"  window closed: later ({UUID}.yaml), 1 of 1 left" in done.stdout.splitlines()
    assert kinds(site)[-2:] == ["disarmed", "revoked"]


def test_the_output_names_the_zone_of_the_time(site: Served) -> None:
    words = ("revoke", "--by", "ana", "--since", "00:00", "--dry-run", "--config", str(site.made.config))
    done = subprocess.run(
        bootgrant(*words), capture_output=True, text=True, timeout=60, env={**clean_environment(), "TZ": "Asia/Kolkata"}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].endswith(" 00:00:00 IST")
    assert "ana can sign in until you run: bootgrant operators disable ana" in done.stdout


def test_a_single_approval_is_still_revoked_by_its_code(site: Served) -> None:
    code = approved(site)
    done = site.command("revoke", code)
    assert (done.returncode, done.stdout.startswith(f"revoked the approval of {code}")) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "name a machine's code, or a person and a time"),
        (("--all",), "need --by and --since"),
        (("--by", "ana"), "an undo needs a person and a time"),
        (("--since", "2h"), "an undo needs a person and a time"),
        (("WDJB-MJHT", "--by", "ana", "--since", "2h"), "either name a machine's code, or a person"),
        (("--by", "ana", "--since", "soon"), "'soon' is not a time: write 2h, 12:00"),
        (("--by", "ana", "--since", "2999-01-01"), "is in the future"),
        (("--by", "aan", "--since", "2h"), "there is no operator 'aan', and the audit has nothing by this name"),
    ],
)
def test_an_undo_that_is_not_clear_is_refused_in_one_line(site: Served, words: tuple[str, ...], reason: str) -> None:
    done = site.command("revoke", *words)
    status = 1 if "aan" in words else 2
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert reason in done.stderr


def test_a_token_of_an_approver_cannot_undo(site: Served, tmp_path: Path) -> None:
    made = json.loads(site.command("tokens", "add", "ci", "--role", "approver", "--json").stdout)
    (tmp_path / "token").write_text(made["token"])
    there = ("--server", site.url, "--token-file", str(tmp_path / "token"))
    done = site.command("revoke", "--by", "ana", "--since", "2h", *there)
    assert (done.returncode, "this needs the role admin" in done.stderr) == (1, True)
