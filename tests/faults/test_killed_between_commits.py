"""A process that commits records and writes what it has seen is killed at any moment: no false alarm, nothing lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.service.system import SystemClock
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.record.last_seen import LastSeen
from support.faults import rounds

pytestmark = pytest.mark.anyio

_PROGRAM = """
import asyncio, random, sys, time
from pathlib import Path
from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.service.parts.seen_file import SeenInFolder
from bootgrant.service.system import SystemClock
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.record.last_seen import LastSeen

async def main(folder, seed):
    choose = random.Random(seed)
    with SqliteDatabase(folder, time.time()) as database:
        last = LastSeen(database.epochs, SeenInFolder(folder), SystemClock())
        await last.begin()
        assert last.lost is None, last.lost
        database.call_after_taking_away(last.after_taking_away)
        print("begun", flush=True)
        while True:
            kind = choose.choice([AuditKind.DENIED, AuditKind.OPENED, AuditKind.TOKEN_CHANGED])
            head = await database.audit.append([AuditEvent(time.time(), kind)])
            if kind is not AuditKind.OPENED:
                print(head, flush=True)
            if choose.random() < 0.1:
                await last.step()

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def test_a_crash_at_any_moment_is_no_alarm_and_every_confirmed_revocation_is_in_the_file(
    tmp_path: Path, seed: int
) -> None:
    choose = random.Random(seed)
    confirmed = 0
    for _ in range(rounds(4, 100)):
        confirmed = max(confirmed, killed(tmp_path, choose))
        seen = SeenInFolder(tmp_path).read()
        assert seen is not None
        assert seen.head.seq >= confirmed
        with SqliteDatabase(tmp_path, time.time()) as database:
            last = LastSeen(database.epochs, SeenInFolder(tmp_path), SystemClock())
            await last.begin()
            assert last.lost is None
            assert last.seen.head == await database.epochs.newest()
    assert confirmed > 0


def killed(folder: Path, choose: random.Random) -> int:
    """Run the program, kill it at a random moment, and return the last record that it confirmed."""
    words = [sys.executable, "-c", _PROGRAM, str(folder), str(choose.getrandbits(32))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        lines = [process.stdout.readline() for _ in range(choose.randrange(2, 40))]
        # A moment of its own, at any place between two commits.
        time.sleep(choose.random() / 100)
        process.send_signal(signal.SIGKILL)
        # What it printed before it died was confirmed as well.
        lines += [line for line in process.stdout if line.endswith("\n")]
        return max(int(line.partition(":")[0]) for line in lines)
