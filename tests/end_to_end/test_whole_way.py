"""End to end as processes: `bootgrant serve`, `bootgrant acquire`, a decision, and the delivered configuration."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.grants import MAC, UUID
from support.site import CONFIG, Served, bootgrant, booting, clean_environment, served, wait_until

SLOW_POLLS = 'interval = "4s"\nhold = "0s"'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture
def slow_site(tmp_path: Path) -> Iterator[Served]:
    """A site on which machines poll every four seconds, which leaves time between the approval and the next poll."""
    with served(tmp_path, settings=SLOW_POLLS) as running:
        yield running


def test_an_approved_machine_gets_its_configuration(site: Served, tmp_path: Path) -> None:
    with booting(site.url, tmp_path) as machine:
        code = machine.code()
        waiting = json.loads(site.command("pending", "--json").stdout)["pending"]
        assert [(row["code"], row["identity"]) for row in waiting] == [(code, {"uuid": UUID, "mac": MAC})]
        approved = site.command("approve", code.lower())
        assert approved.returncode == 0, approved.stderr
        assert machine.delivered() == CONFIG
        assert machine.output.stat().st_mode & 0o777 == 0o600


def test_an_approval_survives_kill_9_before_the_machine_has_its_token(slow_site: Served, tmp_path: Path) -> None:
    with booting(slow_site.url, tmp_path) as machine:
        assert slow_site.command("approve", machine.code()).returncode == 0
        slow_site.kill()
        assert "token issued" not in slow_site.log
        slow_site.start()
        assert machine.delivered() == CONFIG
        assert len(machine.codes()) == 1


def test_a_waiting_machine_keeps_its_code_across_kill_9(site: Served, tmp_path: Path) -> None:
    with booting(site.url, tmp_path) as machine:
        code = machine.code()
        site.kill()
        site.start()
        assert site.command("approve", code).returncode == 0
        assert machine.delivered() == CONFIG
        assert machine.codes() == [code]


def test_a_clean_stop_answers_held_polls_and_the_machine_waits_for_the_next_server(
    site: Served, tmp_path: Path
) -> None:
    with booting(site.url, tmp_path) as machine:
        code = machine.code()
        wait_until(lambda: "new request:" in site.log, "the request is logged")
        assert site.stop() == 0
        assert "Traceback" not in site.log
        site.start()
        assert site.command("approve", code).returncode == 0
        assert machine.delivered() == CONFIG


def test_a_denied_machine_shows_the_reason(site: Served, tmp_path: Path) -> None:
    with booting(site.url, tmp_path, "--on-denial", "exit") as machine:
        denied = site.command("deny", machine.code(), "--reason", "not in this rack")
        assert denied.returncode == 0, denied.stderr
        assert machine.process.wait(30) == 8
        wait_until(lambda: "not in this rack" in machine.said, "the reason is on the console")
        assert not machine.output.exists()


def test_a_denied_machine_waits_as_long_as_the_server_says_and_shows_a_new_code(tmp_path: Path) -> None:
    with served(tmp_path, settings='denial_cooldown = "4s"') as site, booting(site.url, tmp_path) as machine:
        first = machine.code()
        denied = site.command("deny", first, "--reason", "not in this rack")
        assert "refused until" in denied.stdout
        wait_until(lambda: len(machine.codes()) > 1, "the machine shows a new code")
        assert re.search(r"not in this rack.*; asking again in [34](\.\d)? s", machine.said)
        assert machine.codes()[1] != first
        assert site.command("approve", machine.codes()[1]).returncode == 0
        assert machine.delivered() == CONFIG


def test_an_undenied_machine_gets_a_new_code_at_once(site: Served, tmp_path: Path) -> None:
    with booting(site.url, tmp_path, "--on-denial", "exit") as machine:
        code = machine.code()
        assert site.command("deny", code, "--reason", "not in this rack").returncode == 0
        assert machine.process.wait(30) == 8
    listed = site.command("pending", "--denied")
    assert code in listed.stdout
    assert "not in this rack" in listed.stdout
    undenied = site.command("undeny", code)
    assert (undenied.returncode, "it may ask again" in undenied.stdout) == (0, True), undenied.stderr
    assert site.command("pending", "--denied").stdout == "no machines refused\n"
    again = site.command("undeny", code)
    assert (again.returncode, "already taken back by" in again.stderr) == (1, True)
    with booting(site.url, tmp_path) as machine:
        assert site.command("approve", machine.code()).returncode == 0
        assert machine.delivered() == CONFIG


def test_a_machine_that_has_its_configuration_sends_no_request(site: Served, tmp_path: Path) -> None:
    (tmp_path / "machine-config.yaml").write_text(CONFIG)
    with booting(site.url, tmp_path) as machine:
        assert machine.process.wait(30) == 0
        assert "new request:" not in site.log


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_machine_without_a_traceback(
    site: Served, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with booting(site.url, tmp_path) as machine:
        machine.code()
        machine.process.send_signal(number)
        assert machine.process.wait(20) == status
        assert "Traceback" not in machine.said
        assert not machine.output.exists()


def test_a_decision_without_effect_fails_with_the_reason(site: Served, tmp_path: Path) -> None:
    with booting(site.url, tmp_path) as machine:
        code = machine.code()
        (site.machines / f"{UUID}.yaml").rename(site.machines / "away.yaml")
        unknown, no_file = site.command("approve", "BBBB-BBBB"), site.command("approve", code)
        assert (unknown.returncode, no_file.returncode) == (1, 1)
        assert "no configuration for this machine" in no_file.stderr
        (site.machines / "away.yaml").rename(site.machines / f"{UUID}.yaml")
        assert site.command("approve", code).returncode == 0
        again = site.command("deny", code, "--reason", "too late")
        assert (again.returncode, len(again.stderr.splitlines())) == (1, 1)
        assert "already approved by" in again.stderr
        assert machine.delivered() == CONFIG


def test_a_second_server_on_the_same_folder_is_refused(site: Served) -> None:
    second = site.command("serve")
    assert (second.returncode, len(second.stderr.splitlines())) == (1, 1)
    assert "in use by another bootgrant" in second.stderr


def test_the_demo_delivers_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = clean_environment() | {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        bootgrant("demo"), stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "hostname: node-1" in done.stdout
    assert re.search(r"sent after \d+ ms, the machine's program finished after \d+ ms", done.stdout)
    assert list(tmp_path.iterdir()) == []
