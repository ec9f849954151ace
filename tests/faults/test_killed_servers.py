"""Servers and databases die under load: every answer stays true, and every machine gets its own configuration."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.faults import rounds
from support.ledger import Ledger
from support.postgres_cluster import Cluster
from support.replicas import two_servers
from support.site import Served, served
from support.storm import Storm

pytestmark = pytest.mark.timeout(1800)
USUAL_START = 0.8
"""Seconds that a server takes to start."""
SETTINGS = 'denial_cooldown = "0s"'


@pytest.fixture
def two(tmp_path: Path, postgres: Cluster) -> Iterator[tuple[Served, Served]]:
    with two_servers(tmp_path, postgres, SETTINGS) as servers:
        yield servers


def test_kill_9_at_any_moment_loses_no_approval_and_issues_no_second_token(tmp_path: Path, seed: int) -> None:
    kills = rounds(6, 100)
    with served(tmp_path, settings=SETTINGS) as site:
        storm = Storm(seed, [site])
        with storm.blowing() as ledger:
            for _ in range(kills):
                ledger.wait_for_more(storm.dice.randint(1, 120))
                site.kill()
                while storm.dice.random() < 0.2:
                    kill_while_it_starts(site, storm.dice.uniform(0.0, 1.0))
                site.start()
            ledger.wait_for_more(50)
        print(f"{kills} kills: {ledger.check()}; {dict(ledger.answers)}")
        assert "Traceback" not in site.log
        check_audit(site, ledger)


def check_audit(site: Served, ledger: Ledger) -> None:
    """The audit chain is intact and contains every confirmed decision once."""
    verified = site.command("audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    for kind, step in (("approved", "approve"), ("denied", "deny")):
        events = site.command("audit", "--json", "--kind", kind, "--limit", "1000000").stdout.splitlines()
        grants = [json.loads(event)["grant"] for event in events]
        assert len(set(grants)) == len(grants)
        assert len(grants) == sum(life.decided == step and life.confirmed for life in ledger.lives)


def end(site: Served, *, gently: bool) -> None:
    if gently:
        assert site.stop() == 0
    else:
        site.kill()


def kill_while_it_starts(site: Served, moment: float) -> None:
    """Start a server and kill it after the share ``moment`` of its usual start."""
    site.launch()
    time.sleep(moment * USUAL_START)
    site.kill()


def test_one_of_two_servers_is_killed_or_stopped_repeatedly(two: tuple[Served, Served], seed: int) -> None:
    kills = rounds(5, 100)
    storm = Storm(seed, two)
    with storm.blowing() as ledger:
        for _ in range(kills):
            ledger.wait_for_more(storm.dice.randint(1, 120))
            victim = storm.dice.choice(two)
            end(victim, gently=storm.dice.random() < 0.3)
            ledger.wait_for_more(storm.dice.randint(1, 40))
            victim.start()
        ledger.wait_for_more(50)
    print(f"{kills} kills and stops: {ledger.check()}; {dict(ledger.answers)}")
    assert "Traceback" not in two[0].log + two[1].log
    check_audit(two[0], ledger)


def test_postgresql_stops_and_crashes_under_load(two: tuple[Served, Served], postgres: Cluster, seed: int) -> None:
    restarts = rounds(2, 25)
    storm = Storm(seed, two)
    with storm.blowing() as ledger:
        for _ in range(restarts):
            ledger.wait_for_more(storm.dice.randint(1, 120))
            storm.dice.choice([postgres.stop, postgres.crash])()
            ledger.wait_for_more(storm.dice.randint(1, 20))
            postgres.start()
        ledger.wait_for_more(50)
    print(f"{restarts} restarts of PostgreSQL: {ledger.check()}; {dict(ledger.answers)}")
    assert "Traceback" not in two[0].log + two[1].log
    check_audit(two[0], ledger)
