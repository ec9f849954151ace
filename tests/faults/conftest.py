"""How much damage: a little in `make test`, all of it in `make test-faults`. Every run prints its seed."""

from __future__ import annotations

import os
import random

import pytest

from support.faults import LONG


@pytest.fixture
def seed() -> int:
    """From FAULT_SEED, to do a run again, or random."""
    chosen = int(os.environ.get("FAULT_SEED") or random.SystemRandom().getrandbits(32))
    print(f"FAULT_SEED={chosen}{' FAULT_TEST=1' if LONG else ''}")
    return chosen
