"""Each state of the configurations is recorded once, however many servers there are and however often they restart."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import SourceState
from bootgrant.workflows.record.recording import RecordSnapshots
from support.fakes import FakeClock
from support.memory.decisions import MemoryAuditLog

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class Source:
    """ports.configurations.WatchedSource."""

    now: SourceState = field(default_factory=SourceState)

    def state(self) -> SourceState:
        return self.now


async def test_a_state_is_recorded_once_by_all_servers_together() -> None:
    audit, source = MemoryAuditLog(), Source()
    servers = [RecordSnapshots(audit, source, FakeClock()) for _ in range(2)]
    for state in (
        SourceState(),
        SourceState("4f2c9ab"),
        SourceState("4f2c9ab", problem="worker.yaml line 3: no such key"),
        SourceState("4f2c9ab"),
    ):
        source.now = state
        for server in (*servers, RecordSnapshots(audit, source, FakeClock())):
            await server.step()
    recorded = [(record.event.revision, record.event.reason) for record in await audit.newest(AuditFilter(), 10)]
    assert recorded == [("4f2c9ab", ""), ("4f2c9ab", "worker.yaml line 3: no such key"), ("4f2c9ab", "")]
