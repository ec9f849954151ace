"""`bootgrant pending`, `approve` and `deny` against a running server, as processes."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.grants import MAC, UUID
from support.site import CONFIG, Served, bootgrant, clean_environment, served, wait_until


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("admin")) as running:
        yield running


def ask(site: Served, **identity: str) -> str:
    """A machine asks; the code on its screen."""
    form = {"client_id": "talos", **(identity or {"uuid": UUID, "mac": MAC})}
    answer = httpx2.post(f"{site.url}/device/code", data=form, trust_env=False)
    code: str = answer.raise_for_status().json()["user_code"]
    return code


def test_pending_lists_waiting_machines_with_code_times_configuration_and_identity(site: Served) -> None:
    code = ask(site)
    done = site.command("pending")
    head, *rows = done.stdout.splitlines()
    assert head.split() == [
        "CODE",
        "AGE",
        "LEFT",
        "VERDICT",
        "FROM",
        "EVIDENCE",
        "CONFIGURATION",
        "REPORTED",
        "BY",
        "THE",
        "MACHINE",
    ]
    [row] = [row for row in rows if row.startswith(code)]
    assert f"expected  127.0.0.1  inventory, history  {UUID}.yaml (by uuid)  uuid={UUID} mac={MAC}" in row
    assert (done.returncode, done.stderr) == (0, "")


def test_pending_as_json_prints_the_answer_of_the_server(site: Served) -> None:
    code = ask(site)
    done = site.command("pending", "--json")
    assert code in [grant["code"] for grant in json.loads(done.stdout)["pending"]]


def test_a_local_command_needs_no_certificate_authorities(site: Served) -> None:
    environment = {**clean_environment(), "SSL_CERT_FILE": "/nowhere/authorities.pem", "SSL_CERT_DIR": "/nowhere"}
    command = bootgrant("pending", "--config", str(site.made.config))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_approve_takes_effect_once_and_says_what_the_machine_gets(site: Served) -> None:
    code = ask(site)
    done = site.command("approve", code.lower().replace("-", " "))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"approved {code} (uuid={UUID} mac={MAC}): it gets {UUID}.yaml\n"
    again = site.command("approve", code)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("bootgrant: already approved by ")
    assert again.stderr.endswith(" s ago\n")
    assert again.stderr.count("\n") == 1


def test_pending_says_what_became_of_an_approval_that_was_never_delivered(site: Served) -> None:
    old = ask(site, uuid=UUID, mac="52:2f:fd:df:fc:c1")
    assert site.command("approve", old).returncode == 0
    code = ask(site, uuid=UUID, mac="52:2f:fd:df:fc:c1")
    [line] = [line for line in site.command("pending").stdout.splitlines() if line.startswith(f"{code}: ")]
    assert line.startswith(f"{code}: Approved by ")
    assert line.endswith(" s ago, but never delivered: the machine lost its code. Approve again.")
    newer = ask(site, uuid=UUID, mac="52:2f:fd:df:fc:c1")
    refused = site.command("approve", code)
    assert refused.returncode == 1
    [request] = [one for one in json.loads(site.command("pending", "--json").stdout)["pending"] if one["code"] == newer]
    assert refused.stderr.endswith(f"shows a new code: decide about that one (request {request['id']})\n")


def test_deny_takes_effect_and_needs_a_reason(site: Served) -> None:
    code = ask(site)
    assert site.command("deny", code).returncode == 2
    done = site.command("deny", code, "--reason", "not today", "--json")
    assert done.returncode == 0
    denial = json.loads(done.stdout)
    assert (denial["state"], denial["reason"]) == ("denied", "not today")
    assert denial["decided_by"].endswith(" (admin.sock)")


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("deny", "BBBB-BBBB", "--reason", "a\udcffb"), 2),
        (("approve", "\udcff"), 2),
        (("operators", "disable", "\udcff"), 1),
    ],
)
def test_bytes_that_are_not_text_are_refused_in_one_line(site: Served, words: tuple[str, ...], status: int) -> None:
    done = site.command(*words)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (status, "", 1)
    assert "Traceback" not in done.stderr


def test_an_unknown_code_is_one_line_and_status_1(site: Served) -> None:
    done = site.command("approve", "BBBB-BBBB")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "bootgrant: no machine has this code: look for a newer code on its screen\n"
    as_json = site.command("approve", "BBBB-BBBB", "--json")
    assert (as_json.returncode, json.loads(as_json.stdout)["error"]) == (1, "unknown")


def test_a_machine_without_a_file_is_not_approved_and_the_line_says_what_to_add(site: Served) -> None:
    code = ask(site, serial="0OCZJ19N71")
    done = site.command("approve", code)
    assert done.returncode == 1
    assert "assign it an entry, or add one that matches it" in done.stderr


def test_what_a_machine_reports_never_reads_like_an_entry(site: Served) -> None:
    (site.machines / "cp-2.yaml").write_text(CONFIG)
    code = ask(site, mac="52:54:00:00:00:02", hostname='cp-2.yaml (by serial)  serial=cp-2"')
    [shown] = [row for row in site.command("pending").stdout.splitlines() if row.startswith(code)]
    # Columns are as wide as what other tests left in the list.
    row = re.sub(" {3,}", "  ", shown)
    assert "  unknown  127.0.0.1  " in row
    reported = r'mac=52:54:00:00:00:02 hostname="cp-2.yaml (by serial)  serial=cp-2\x22"'
    assert f"nothing yet: no configuration for this machine  {reported}" in row
    wait_until(lambda: "52:54:00:00:00:02" in site.command("audit").stdout, "the request is in the audit")
    [event] = [line for line in site.command("audit").stdout.splitlines() if "52:54:00:00:00:02" in line]
    assert r'mac=52:54:00:00:00:02 hostname="cp-2.yaml (by serial)  serial=cp-2\x22"' in event


def test_hostile_claims_do_not_reach_the_terminal(site: Served) -> None:
    code = ask(site, serial="\x1b[2J\u202e\u00e9x")
    [row] = [row for row in site.command("pending").stdout.splitlines() if row.startswith(code)]
    assert r'serial="\x1b[2J\u202e\xe9x"' in row
    assert row.isascii()
    assert row.isprintable()


def test_without_a_server_the_line_says_how_to_start_it(site: Served, tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://127.0.0.1:1"\n')
    for words in (("pending",), ("approve", "BBBB-BBBB"), ("deny", "BBBB-BBBB", "--reason", "x")):
        done = _run(*words, "--config", str(config))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"start it with `bootgrant serve --config {config}`" in done.stderr


def test_without_a_site_the_line_says_how_to_make_one(tmp_path: Path) -> None:
    done = _run("pending", "--config", str(tmp_path / "nothing.toml"))
    assert done.returncode == 1
    assert f"create a site with `bootgrant init {tmp_path}`" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_site_can_be_named_by_the_environment_or_be_the_current_folder(site: Served) -> None:
    named = _run("pending", BOOTGRANT_CONFIG=str(site.made.config))
    here = subprocess.run(
        bootgrant("pending"), cwd=site.folder, env=clean_environment(), capture_output=True, text=True, timeout=60
    )
    assert (named.returncode, here.returncode) == (0, 0), (named.stderr, here.stderr)


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bootgrant(*words), capture_output=True, text=True, timeout=60, env=clean_environment() | environment
    )


def test_pending_names_the_keys_of_a_precious_configuration(site: Served) -> None:
    other = "7e0f1a2b-0000-4000-8000-0000000000cd"
    keys = "  ca: {crt: YQ==}\ncluster: {serviceAccount: {key: YQ==}}\n"
    (site.machines / f"{other}.yaml").write_text(f"version: v1alpha1\nmachine:\n  type: worker\n{keys}")
    code = ask(site, uuid=other)
    [row] = [row for row in site.command("pending").stdout.splitlines() if row.startswith(code)]
    assert "0 of 2 approvals, has keys: cluster.serviceAccount.key" in row


def test_preview_prints_the_configuration_without_secrets_and_reveal_with_them(site: Served) -> None:
    other = "7e0f1a2b-0000-4000-8000-0000000000cc"
    config = "version: v1alpha1\nmachine:\n  type: worker\n  token: swordfish\n  ca: {crt: YQ==}\ncluster: {}\n"
    (site.machines / f"{other}.yaml").write_text(config)
    code = ask(site, uuid=other)
    plain, revealed = site.command("preview", code), site.command("preview", code, "--reveal")
    assert (plain.returncode, "type: worker" in plain.stdout, "swordfish" in plain.stdout) == (0, True, False)
    assert (revealed.returncode, "  token: swordfish" in revealed.stdout.splitlines()) == (0, True)
    assert '"kind":"preview-revealed"' in site.command("audit", "--json").stdout.replace(" ", "")
