"""The seed of a fault test. `make test` does a little damage, `make test-faults` all of it."""

from __future__ import annotations

import os
import random

import pytest

from support.faults import LONG


@pytest.fixture
def seed() -> int:
    """Take the seed from FAULT_SEED, to repeat a run, or a random one, and print it."""
    chosen = int(os.environ.get("FAULT_SEED") or random.SystemRandom().getrandbits(32))
    print(f"FAULT_SEED={chosen}{' FAULT_TEST=1' if LONG else ''}")
    return chosen
