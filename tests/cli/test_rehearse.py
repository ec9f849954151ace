from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bootgrant.cli.rehearsal_sites import NoRehearsal, Target, check_aim, find_target, sources_of
from bootgrant.cli.rehearse import progress_line
from bootgrant.fleet.exchange import Address
from bootgrant.fleet.observations import Progress
from support.site import clean_environment

ELSEWHERE = Target("https://boot.example.org", Address("192.0.2.7", 443, "boot.example.org"))
HERE = Target("http://127.0.0.1:8080", Address("127.0.0.1", 8080))


def rehearse(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bootgrant", "rehearse", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=clean_environment())


def test_on_a_server_of_its_own_everybody_is_served_and_the_reports_are_written(tmp_path: Path) -> None:
    page, values = tmp_path / "report.html", tmp_path / "report.json"
    words = ("--machines", "5", "--arrive", "100ms", "--decide-after", "100ms", "--batch", "all")
    done = rehearse(*words, "--html", str(page), "--json", str(values))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5 of 5 machines have their configuration")
    assert json.loads(values.read_text())["delivered"] == 5
    assert "5 of 5 machines" in page.read_text()


def test_interrupted_it_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bootgrant", "rehearse", "--machines", "2", "--decide-after", "60s"]
    environment = clean_environment() | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment
    ) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith("run ")
        run.send_signal(signal.SIGINT)
        # The second word once machines are under way.
        assert run.stderr.read().strip().endswith(("stopped", "interrupted; results so far:"))
    assert run.returncode == 130
    assert not list(tmp_path.iterdir())


def test_it_is_not_aimed_at_a_real_site_by_mistake() -> None:
    with pytest.raises(NoRehearsal, match=r"500 simulated machines .* 500 files in machines .* --yes"):
        check_aim(ELSEWHERE, 500, entries=Path("machines"), sure=False)
    check_aim(ELSEWHERE, 500, entries=Path("machines"), sure=True)
    check_aim(HERE, 500, entries=None, sure=False)


def test_the_command_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    config = tmp_path / "bootgrant.toml"
    config.write_text('public_url = "http://192.0.2.7:8080"\n')
    done = rehearse("--config", str(config))
    assert done.returncode == 1
    assert "in the queue of http://192.0.2.7:8080" in done.stderr
    assert not (tmp_path / "machines").exists()


def test_every_machine_has_its_own_address_on_loopback() -> None:
    assert sources_of(None, HERE, 3) == ["127.64.0.1", "127.64.0.2", "127.64.0.3"]
    assert sources_of(None, ELSEWHERE, 3) == []
    assert sources_of("198.51.100.0/30", ELSEWHERE, 9) == ["198.51.100.1", "198.51.100.2"]
    assert sources_of("198.51.100.5/32", ELSEWHERE, 9) == ["198.51.100.5"]
    with pytest.raises(NoRehearsal, match="--from"):
        sources_of("nowhere", ELSEWHERE, 9)


@pytest.mark.parametrize("url", ["boot.example.org", "ftp://127.0.0.1", "http://127.0.0.1:99999", "http://"])
def test_a_url_that_is_not_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(NoRehearsal):
        find_target(url)


@pytest.mark.parametrize("words", [["--machines", "0"], ["--batch", "none"], ["--arrive", "soon"], ["--curve", "flat"]])
def test_a_wrong_argument_is_a_usage_error(words: list[str]) -> None:
    import bootgrant.cli.rehearse as command

    parser = argparse.ArgumentParser(exit_on_error=False)
    command.add_arguments(parser)
    with pytest.raises((SystemExit, argparse.ArgumentError)):
        parser.parse_args(words)


def test_the_progress_fits_on_one_line() -> None:
    line = progress_line(Progress(1234.5, 100_000, 99_999, 99_999, 50_000, 49_999, 1_234_567, 50_000, 12))
    assert len(line) < 130
    assert "delivered 49999" in line
    assert "problems 12" in line
