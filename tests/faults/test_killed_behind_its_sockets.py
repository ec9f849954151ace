"""The server dies behind open sockets: no Talos node loses the code on its screen, so nobody has to approve twice."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bootgrant.fleet.scenario import Kind
from support.faults import rounds
from support.nodes import Nodes
from support.site import served

pytestmark = pytest.mark.timeout(1800)
SOON = 0.05
LATE = 1.5
"""Seconds from an event to the kill: while many nodes are answered at once, and while the next server starts."""


def kill_moment(nodes: Nodes) -> float:
    return nodes.dice.uniform(0.0, nodes.dice.choice([SOON, LATE]))


@pytest.mark.parametrize("hold", ["25s", "0s"])
def test_no_code_is_lost_while_the_supervisor_lives(tmp_path: Path, seed: int, hold: str) -> None:
    kills = rounds(6, 100)
    with served(tmp_path, settings=f'hold = "{hold}"') as site:
        nodes = Nodes(seed, site)
        with nodes.booting() as count:
            for _ in range(kills):
                nodes.wait_for_more(nodes.dice.randint(1, 40))
                time.sleep(kill_moment(nodes))
                site.kill_server()
            nodes.wait_for_more(40)
        print(f"{kills} kills of the server: {count}")
        assert count.lost == 0, count
        assert "Traceback" not in site.log


@pytest.mark.parametrize("kind", list(Kind))
def test_after_the_loss_of_the_supervisor_every_node_gets_its_configuration(
    tmp_path: Path, seed: int, kind: Kind
) -> None:
    """A Talos node needs a second approval; `acquire` keeps its code."""
    kills = rounds(2, 20)
    with served(tmp_path) as site:
        nodes = Nodes(seed, site, kind)
        with nodes.booting() as count:
            for _ in range(kills):
                nodes.wait_for_more(nodes.dice.randint(1, 40))
                time.sleep(kill_moment(nodes))
                site.kill()
                site.start()
            nodes.wait_for_more(40)
        print(f"{kills} kills of the supervisor and the server, {kind}: {count}")
        assert kind is Kind.TALOS or count.lost == 0, count
        assert "Traceback" not in site.log
