"""`bootgrant health` against a server that works, one that does not answer, and one that does not run."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest

from support.site import Served, served


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("health")) as running:
        yield running


def test_it_prints_what_the_endpoints_answer(site: Served) -> None:
    for words, answer in ((("health",), "ok"), (("health", "--ready"), "ready")):
        done = site.command(*words)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{answer}\n", "")
    assert json.loads(site.command("health", "--json").stdout) == {"answer": "ok"}


def test_unreadable_configurations_make_it_unready_but_not_unhealthy(site: Served) -> None:
    site.machines.rename(site.folder / "away")
    try:
        unready = site.command("health", "--ready")
        assert unready.returncode == 1
        assert "not ready: " in unready.stderr
        assert site.command("health").returncode == 0
    finally:
        (site.folder / "away").rename(site.machines)


def test_a_server_that_hangs_is_reported_after_the_limit(site: Served) -> None:
    pid = site.server_pid
    os.kill(pid, signal.SIGSTOP)
    done = site.command("health")
    os.kill(pid, signal.SIGCONT)
    assert done.returncode == 1
    assert "the server did not answer on" in done.stderr


def test_a_server_that_does_not_run_is_reported(site: Served) -> None:
    site.stop()
    done = site.command("health", "--json")
    assert (done.returncode, json.loads(done.stdout)["error"]) == (1, "not_running")
    site.start()
