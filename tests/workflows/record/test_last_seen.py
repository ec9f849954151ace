"""What a server has seen is written after the commit, and a database that lacks it is noticed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Head
from bootgrant.approval.epoch import Acceptance, Seen
from bootgrant.ports.epochs import SeenUnreadable
from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.store.database import Database
from bootgrant.store.postgres.connections import PostgresAddress
from bootgrant.store.postgres.database import open_postgres
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.record.last_seen import LastSeen
from support.fakes import FakeClock
from support.grants import NOW
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
INFINITE = b'{"version": 1, "epoch": 1e999, "head": "0:", "at": 0, "marked_at": null, "taken": []}'
REVOKED = AuditEvent(NOW, AuditKind.TOKEN_CHANGED, "ana", details={"token": "ci", "done": "revoked"})
OPENED = AuditEvent(NOW, AuditKind.OPENED)


@dataclass(slots=True)
class MemoryFile:
    """ports.epochs.SeenFile that may be full."""

    written: list[Seen] = field(default_factory=list)
    problem: str = ""
    is_full: bool = False
    aside: int = 0

    def read(self) -> Seen | None:
        if self.problem:
            raise SeenUnreadable(self.problem)
        return self.written[-1] if self.written else None

    def replace_unusable(self, seen: Seen) -> None:
        self.aside += 1
        self.write(seen)

    def write(self, seen: Seen) -> None:
        if self.is_full:
            raise OSError(28, "No space left on device")
        self.written.append(seen)


async def following(database: Database, file: MemoryFile | SeenInFolder) -> LastSeen:
    last = LastSeen(database.epochs, file, FakeClock())
    await last.begin()
    database.call_after_taking_away(last.after_taking_away)
    return last


async def test_a_site_without_a_file_gets_one() -> None:
    database, file = MemoryDatabase(), MemoryFile()
    head = await database.audit.append([REVOKED, OPENED])
    last = await following(database, file)
    assert last.lost is None
    assert [(seen.head, len(seen.taken), seen.epoch) for seen in file.written] == [(head, 1, 1)]


async def test_what_takes_away_is_in_the_file_when_it_is_answered_and_the_rest_a_second_later() -> None:
    database, file = MemoryDatabase(), MemoryFile()
    last = await following(database, file)
    revoked = await database.audit.append([REVOKED])
    assert file.written[-1].head == revoked
    opened = await database.audit.append([OPENED])
    assert file.written[-1].head == revoked
    await last.step()
    assert file.written[-1].head == opened
    count = len(file.written)
    await last.step()
    assert len(file.written) == count


async def test_many_at_once_are_written_together(tmp_path: Path) -> None:
    with SqliteDatabase(tmp_path, NOW) as database:
        file = MemoryFile()
        await following(database, file)
        await asyncio.gather(*(database.audit.append([REVOKED]) for _ in range(50)))
        assert file.written[-1].head == await database.epochs.newest()
        assert len(file.written) < 10


async def test_other_commits_do_not_wait_for_the_file(tmp_path: Path) -> None:
    writing, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        writing.set()
        await may_end.wait()

    with SqliteDatabase(tmp_path, NOW) as database:
        database.call_after_taking_away(slow)
        revoking = asyncio.create_task(database.audit.append([REVOKED]))
        await asyncio.wait_for(writing.wait(), 5)
        await asyncio.wait_for(database.audit.append([OPENED]), 5)
        assert not revoking.done()
        may_end.set()
        assert (await revoking).seq == 1


async def test_a_file_that_cannot_be_written_delays_nothing_and_is_written_later(
    caplog: pytest.LogCaptureFixture,
) -> None:
    database, file = MemoryDatabase(), MemoryFile()
    last = await following(database, file)
    file.is_full = True
    revoked = await database.audit.append([REVOKED])
    assert "No space left" in caplog.text
    with pytest.raises(OSError, match="No space left"):
        await last.step()
    file.is_full = False
    await last.step()
    assert (file.written[-1].head, len(file.written[-1].taken)) == (revoked, 1)


async def test_an_older_database_is_noticed_at_the_start_and_nothing_is_written() -> None:
    file, old = MemoryFile(), MemoryDatabase()
    newer = MemoryDatabase()
    await following(newer, file)
    for database in (old, newer):
        await database.audit.append([OPENED])
    await newer.audit.append([REVOKED])
    last = await following(old, file)
    assert last.lost is not None
    assert (last.lost.records, [str(each) for each in last.lost.taken]) == (1, ["token ci revoked by ana"])
    count = len(file.written)
    await old.audit.append([REVOKED])
    assert len(file.written) == count
    assert (await following(newer, file)).lost is None


async def test_another_server_that_was_accepted_continues_in_the_new_epoch() -> None:
    file, old = MemoryFile(), MemoryDatabase()
    newer = MemoryDatabase()
    await following(newer, file)
    await newer.audit.append([REVOKED])
    last = await following(old, file)
    before = last.lost
    assert before is not None
    await old.epochs.accept([Acceptance(2, 1, 1, NOW)], AuditEvent(NOW, AuditKind.RESTORED))
    await last.step()
    assert last.lost is None
    assert (file.written[-1].epoch, file.written[-1].head.seq, file.written[-1].taken) == (2, 1, ())


async def test_a_damaged_file_needs_an_admin() -> None:
    database, file = MemoryDatabase(), MemoryFile(problem="it is damaged")
    assert (await following(database, file)).lost is not None
    assert [seen.marked_at for seen in file.written] == [FakeClock().now()]
    assert file.aside == 1


async def test_a_file_that_cannot_be_used_is_kept_for_a_person(tmp_path: Path) -> None:
    (tmp_path / "epoch").write_text("{")
    assert (await following(MemoryDatabase(), SeenInFolder(tmp_path))).lost is not None
    assert (tmp_path / "epoch.unreadable").read_text() == "{"
    assert (await following(MemoryDatabase(), SeenInFolder(tmp_path))).lost is not None


async def test_a_mark_forgets_nothing_that_was_seen_before_it() -> None:
    database = MemoryDatabase()
    head = await database.audit.append([REVOKED, OPENED])
    file = MemoryFile([Seen(1, head, NOW, (), marked_at=NOW)])
    last = await following(database, file)
    assert len(file.written) == 1
    await database.epochs.accept([Acceptance(2, 1, head.seq, NOW)], AuditEvent(NOW, AuditKind.RESTORED))
    await last.step()
    assert last.lost is None
    assert [str(each) for each in file.written[-1].taken] == ["token ci revoked by ana"]


def test_the_file_is_private_and_replaced_as_a_whole(tmp_path: Path) -> None:
    file = SeenInFolder(tmp_path)
    assert file.read() is None
    for epoch in (1, 2):
        file.write(Seen(epoch, Head(7, "a" * 64)))
        assert file.read() == Seen(epoch, Head(7, "a" * 64))
    assert [path.name for path in tmp_path.iterdir()] == ["epoch"]
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 2}', b"\xff", b"[" * 100_000, INFINITE])
def test_a_file_of_something_else_is_unreadable(tmp_path: Path, content: bytes) -> None:
    file = SeenInFolder(tmp_path)
    file.path.write_bytes(content)
    with pytest.raises(SeenUnreadable, match="epoch cannot be used"):
        file.read()


async def test_a_running_server_notices_that_postgresql_lost_a_revocation(
    address: PostgresAddress, tmp_path: Path
) -> None:
    async with open_postgres(address, 4) as database:
        before = await database.audit.append([OPENED])
        last = await following(database, SeenInFolder(tmp_path))
        await database.audit.append([REVOKED])
        # As a failover to a standby that had not received it.
        with psycopg.connect(autocommit=True, **address.parameters()) as connection:
            connection.execute("DELETE FROM audit WHERE seq > %s", (before.seq,))
            connection.execute("UPDATE audit_head SET seq = %s, digest = %s", (before.seq, before.digest))
        await last.step()
        assert last.lost is not None
        assert (last.lost.records, len(last.lost.taken)) == (1, 1)


@pytest.mark.parametrize("more", [0, 1, 5])
async def test_the_file_may_be_behind_after_a_crash(tmp_path: Path, more: int) -> None:
    file = SeenInFolder(tmp_path)
    with SqliteDatabase(tmp_path, NOW) as database:
        await following(database, file)
        await database.audit.append([REVOKED])
    with SqliteDatabase(tmp_path, NOW) as database:
        await database.audit.append([OPENED] * more)
    with SqliteDatabase(tmp_path, NOW) as database:
        last = await following(database, file)
        assert (last.lost, last.seen.head.seq) == (None, 1 + more)
