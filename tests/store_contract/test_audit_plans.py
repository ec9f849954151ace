"""How SQLite finds audit records: a page of a rare kind or of an old time does not read every record."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.ports.audit import AuditFilter
from bootgrant.store.audit_rows import AuditReader
from bootgrant.store.migrations import known_migrations
from support.grants import NOW


@dataclass
class Planned(AuditReader):
    """Reads from an empty database, and keeps the plan of each statement."""

    connection: sqlite3.Connection
    plans: list[str] = field(default_factory=list)

    async def read(self, statement: str, *values: object) -> Sequence[tuple[Any, ...]]:
        plan = self.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
        self.plans += [row[3] for row in plan]
        return self.connection.execute(statement, values).fetchall()


@pytest.fixture
def planned() -> Iterator[Planned]:
    connection = sqlite3.connect(":memory:")
    for migration in known_migrations("sqlite"):
        connection.executescript(migration.sql)
    yield Planned(connection)
    connection.close()


@pytest.mark.anyio
@pytest.mark.parametrize(
    "which",
    [
        AuditFilter(kinds=(AuditKind.SEALED,)),
        AuditFilter(kinds=(AuditKind.SEALED, AuditKind.ARMED), since=NOW),
        AuditFilter(without=(AuditKind.OPENED,)),
        AuditFilter(without=(AuditKind.OPENED,), since=NOW, until=NOW + 60),
        AuditFilter(since=NOW, until=NOW + 60),
        AuditFilter(entry="cp-1", without=(AuditKind.OPENED,)),
        AuditFilter(grant_id="a", kinds=(AuditKind.APPROVED,)),
    ],
)
async def test_no_filter_reads_every_record(planned: Planned, which: AuditFilter) -> None:
    await planned.newest(which, 51)
    await planned.count(which, 1001)
    assert [plan for plan in planned.plans if plan.startswith("SCAN audit")] == []
    assert [plan for plan in planned.plans if "audit_by_kind" in plan and "kind=?" not in plan] == []
