"""Fixtures that every test may use."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from support import ending

# How long an example takes is a matter of the computer and of what else runs on it, not of right and wrong.
settings.register_profile("bootgrant", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("bootgrant")

# A CI that runs in the background may have SIGINT ignored, and every program that a test starts would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

if TYPE_CHECKING:
    from bootgrant.store.postgres.connections import PostgresAddress
    from support.postgres_cluster import Cluster


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    ending.report(terminalreporter.stats, terminalreporter)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A private PostgreSQL cluster for all tests of this process; each test has a database of its own in it."""
    from support.postgres_cluster import cluster

    with cluster() as started:
        yield started


@pytest.fixture
def address(postgres: Cluster) -> Iterator[PostgresAddress]:
    """A database with this version's schema, and nothing in it."""
    from support.postgres_cluster import migrated

    with migrated(postgres) as made:
        yield made
