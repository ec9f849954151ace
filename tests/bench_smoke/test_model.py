from __future__ import annotations

import pytest
from bench.model import Cost, most_machines, need

COST = Cost(ask=300.0, poll=250.0, deliver=700.0, kib=16.0, wire=1250.0)


def test_waiting_machines_need_a_poll_every_25_seconds() -> None:
    waiting = need(COST, 100_000)
    assert waiting.polls == 4_000
    assert waiting.megabits == 40.0
    assert waiting.cores == pytest.approx(1.0 + 100_000 / 600 * 1000e-6)
    assert waiting.servers == 3


def test_the_maximum_load_uses_half_of_a_core() -> None:
    assert need(COST, most_machines(COST)).cores == pytest.approx(0.5, rel=1e-3)


def test_rows_are_written_per_request_and_per_delivery() -> None:
    assert need(COST, 600).rows == 5.0
