"""Talos's own code is built with Go, so only `make test-oracle` runs these tests (docs/talos-versions.md).

`ORACLE_SEED=N` repeats a run, `ORACLE_SIZE=0.1` makes it shorter, `ORACLE_RELEASES="1.12 1.13"` leaves releases out.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from oracle.reference import Reference

collect_ignore_glob = [] if os.environ.get("ORACLE_TEST") == "1" else ["test_*.py"]
RELEASES = os.environ.get("ORACLE_RELEASES", "1.11 1.12 1.13 1.14").split()


@pytest.fixture(params=RELEASES, scope="module")
def reference(request: pytest.FixtureRequest) -> Iterator[Reference]:
    """Talos's own code of one release, kept running."""
    with Reference(request.param) as running:
        yield running


@pytest.fixture(scope="session")
def seed() -> int:
    """Take the seed from ORACLE_SEED, to repeat a run, or a random one, and print it."""
    chosen = int(os.environ.get("ORACLE_SEED") or random.SystemRandom().getrandbits(32))
    print(f"ORACLE_SEED={chosen}")
    return chosen
