"""The audit is sent to a sink in order, each record at least once, whatever the receiver does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainCheck
from bootgrant.approval.operators import socket_actor
from bootgrant.ports.audit_sinks import SinkRecord
from bootgrant.ports.notifications import NotSent
from bootgrant.workflows.record import stream_audit
from bootgrant.workflows.record.audit import seal
from bootgrant.workflows.record.stream_audit import BEHIND, LONGEST_PAUSE, MOST_RECORDS, SinkTarget, StreamAudit
from support.fakes import CountedEntropy, FakeClock
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio


@dataclass
class Receiver:
    """ports.audit_sinks.AuditSink. ``obstacle`` sees the records before they arrive."""

    obstacle: Callable[[Sequence[SinkRecord]], None] = lambda _: None
    arrived: list[SinkRecord] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    async def send(self, records: Sequence[SinkRecord]) -> None:
        self.obstacle(records)
        self.sizes.append(len(records))
        self.arrived += records

    @property
    def numbers(self) -> list[int]:
        return [record.seq for record in self.arrived]


class Hanging:
    """A receiver that never answers."""

    async def send(self, records: Sequence[SinkRecord]) -> None:
        await asyncio.Event().wait()


@dataclass
class Site:
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    receiver: Receiver = field(default_factory=Receiver)

    def stream(self, holder: str = "one", *, only_new: bool = False) -> StreamAudit:
        target = SinkTarget("logs", self.receiver, only_new)
        return StreamAudit(self.database.audit, self.database.sinks, self.clock, CountedEntropy(), holder, target)

    async def record(self, count: int, reason: str = "") -> None:
        event = AuditEvent(self.clock.now(), AuditKind.DENIED, "ana", reason=reason)
        await self.database.audit.append([event] * count)


@pytest.fixture
def site() -> Site:
    return Site()


async def test_records_arrive_in_order_once_and_can_be_verified(site: Site) -> None:
    stream = site.stream()
    for count in (3, 0, 2):
        await site.record(count)
        await stream.step()
    assert site.receiver.numbers == [1, 2, 3, 4, 5]
    check = ChainCheck(await site.database.audit.head())
    for record in site.receiver.arrived:
        check.take_exported(record.line)
    assert (check.finish(), check.records, stream.lag, stream.sent) == (None, 5, 0, 5)


async def test_a_new_sink_may_begin_with_new_records(site: Site) -> None:
    await site.record(3)
    stream = site.stream(only_new=True)
    await stream.step()
    await site.record(1)
    await stream.step()
    assert site.receiver.numbers == [4]


async def test_many_records_are_sent_in_bounded_parts(site: Site) -> None:
    await site.record(MOST_RECORDS + 1)
    await site.record(3, reason="x" * (stream_audit.MOST_BYTES // 2))
    await site.stream().step()
    assert site.receiver.numbers == list(range(1, MOST_RECORDS + 5))
    assert site.receiver.sizes == [MOST_RECORDS, 2, 1, 1]


async def test_what_was_not_confirmed_is_sent_again_after_a_restart(site: Site) -> None:
    def dies(records: Sequence[SinkRecord]) -> None:
        site.receiver.arrived += records
        raise ZeroDivisionError

    await site.record(2)
    site.receiver.obstacle = dies
    with pytest.raises(ZeroDivisionError):
        await site.stream().step()
    site.receiver.obstacle = lambda _: None
    await site.record(1)
    await site.stream().step()
    assert site.receiver.numbers == [1, 2, 1, 2, 3]


async def test_failed_attempts_pause_longer_and_longer(site: Site) -> None:
    attempts: list[float] = []

    def refuse(_: Sequence[SinkRecord]) -> None:
        attempts.append(site.clock.steady())
        raise NotSent("logs.example.org answered 503")

    site.receiver.obstacle = refuse
    await site.record(1)
    stream = site.stream()
    for _ in range(2000):
        await stream.step()
        site.clock.advance(1)
    pauses = [later - earlier for earlier, later in pairwise(attempts)]
    assert pauses[0] <= 2
    assert max(pauses) <= LONGEST_PAUSE + 1
    assert pauses[-1] >= LONGEST_PAUSE / 2
    assert stream.failed == len(attempts) < 25
    assert stream.health().error == "logs.example.org answered 503; it lacks 1 record"
    site.receiver.obstacle = lambda _: None
    site.clock.advance(LONGEST_PAUSE)
    await stream.step()
    await stream.step()
    assert (site.receiver.numbers, stream.health().is_ok, stream.lag) == ([1], True, 0)


async def test_the_receiver_says_how_long_to_wait(site: Site) -> None:
    def refuse(_: Sequence[SinkRecord]) -> None:
        raise NotSent("busy", after=900)

    site.receiver.obstacle = refuse
    await site.record(1)
    stream = site.stream()
    await stream.step()
    site.receiver.obstacle = lambda _: None
    site.clock.advance(899)
    await stream.step()
    assert site.receiver.numbers == []
    site.clock.advance(1)
    await stream.step()
    assert site.receiver.numbers == [1]


async def test_a_record_that_is_refused_for_good_does_not_keep_earlier_ones_back(site: Site) -> None:
    def refuse(records: Sequence[SinkRecord]) -> None:
        if any(record.seq == 6 for record in records):
            raise NotSent("answered 413", permanent=True)

    site.receiver.obstacle = refuse
    await site.record(9)
    stream = site.stream()
    for _ in range(60):
        await stream.step()
        site.clock.advance(LONGEST_PAUSE)
    assert site.receiver.numbers == [1, 2, 3, 4, 5]
    assert "413; it lacks 4 records" in stream.health().error


async def test_a_receiver_that_hangs_costs_an_attempt(site: Site) -> None:
    await site.record(1)
    stream = site.stream()
    stream.target, stream.limit = SinkTarget("logs", Hanging()), 0.01
    await stream.step()
    await stream.step()
    assert stream.failed == 1
    assert stream.health().error.startswith("the receiver did not accept the records")


async def test_one_of_two_servers_sends_and_the_other_continues(site: Site) -> None:
    first, second = site.stream("one"), site.stream("two")
    await site.record(2)
    await first.step()
    await site.record(1)
    await second.step()
    assert site.receiver.numbers == [1, 2]
    assert second.lag == 1
    await first.stop()
    await second.step()
    assert site.receiver.numbers == [1, 2, 3]


async def test_a_server_that_died_is_replaced_after_its_turn(site: Site) -> None:
    await site.record(1)
    await site.stream("one").step()
    await site.record(1)
    second = site.stream("two")
    site.clock.advance(stream_audit.TURN - 1)
    await second.step()
    assert site.receiver.numbers == [1]
    site.clock.advance(1)
    await second.step()
    assert site.receiver.numbers == [1, 2]


async def test_a_server_whose_turn_ended_while_it_was_sending_stops(site: Site) -> None:
    class Slow:
        async def send(self, records: Sequence[SinkRecord]) -> None:
            site.receiver.arrived += records
            site.clock.advance(stream_audit.TURN)
            await site.stream("two").step()

    await site.record(MOST_RECORDS * 2)
    stream = site.stream("one")
    stream.target = SinkTarget("logs", Slow())
    await stream.step()
    first = list(range(1, MOST_RECORDS + 1))
    assert site.receiver.numbers == [*first, *first, *range(MOST_RECORDS + 1, MOST_RECORDS * 2 + 1)]


async def test_a_sink_that_does_not_catch_up_is_reported(site: Site) -> None:
    await site.record(1)
    await site.stream("another server").step()
    stream = site.stream()
    await site.record(4)
    await stream.step()
    assert stream.health().is_ok
    site.clock.jump(-2 * BEHIND)
    site.clock.advance(BEHIND)
    await stream.step()
    assert stream.health().error == "it lacks 4 records for more than 5 minutes"


async def test_sealed_records_are_skipped(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    stream = site.stream()
    await site.record(2)
    await stream.step()
    await site.record(3)
    await seal(site.database.audit, NOW + 1, socket_actor("root"), NOW, lambda _: None, lambda: "old.jsonl")
    await stream.step()
    assert site.receiver.numbers == [1, 2, 6]
    assert "the records up to 5 were sealed before they were sent" in caplog.text


async def test_an_audit_that_was_truncated_or_rewritten_is_reported(site: Site) -> None:
    await site.record(3)
    stream = site.stream()
    await stream.step()
    [sent] = await site.database.sinks.sinks()
    rewritten = MemoryDatabase()
    rewritten.sinks = site.database.sinks
    site.database = rewritten
    await site.record(2, reason="another history")
    stream = site.stream()
    await stream.step()
    assert f"it has record 3, but the audit ends at 2: run `bootgrant audit verify --head {sent.sent}`" in (
        stream.health().error
    )
    await site.record(2)
    await stream.step()
    assert "record 4 does not follow the record 3 that was sent" in stream.health().error
    assert [json.loads(record.line)["seq"] for record in site.receiver.arrived] == [1, 2, 3, 4]
