"""Send the audit to a sink as it is written, in order, each record at least once, without delaying anything else.

How far the sink is (its cursor) is in the database, and moves after the other side accepted the records: what was not
confirmed when a server dies is sent again. One of several servers sends at a time.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import Head, exported
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.audit_sinks import AuditSink, SinkRecord, SinkState, SinkStore
from bootgrant.ports.notifications import NotSent
from bootgrant.ports.status import Health
from bootgrant.ports.time import Clock, Entropy
from bootgrant.workflows.record.audit import page_after

log = logging.getLogger("bootgrant.audit")

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for new records."""

SEND_LIMIT: Final = 20.0
"""Seconds after which an attempt has failed."""

TURN: Final = 45.0
"""Seconds after which another server may send, if this one has died. Longer than an attempt takes."""

BEHIND: Final = 300.0
"""Seconds after which a sink that has not caught up is reported, even if no attempt fails."""

MOST_RECORDS: Final = 200
MOST_BYTES: Final = 256 << 10
"""What is sent at once. One record may be larger."""

LONGEST_PAUSE: Final = 300.0
_FIRST_PAUSE: Final = 1.0
_BETWEEN: Final = 0.02
"""Seconds between two parts while a sink catches up: machines are served in them."""
_REASON: Final = 300


@dataclass(frozen=True, slots=True)
class SinkTarget:
    """A sink of the settings. With ``only_new``, it does not get the records from before it was added."""

    name: str
    sink: AuditSink
    only_new: bool = False


@dataclass(slots=True)
class StreamAudit:
    """A chore for one sink. ``holder`` identifies this server among those that share the database.

    ``limit`` is how many seconds an attempt may take. ``lag`` is how many records the sink lacks; ``sent`` and
    ``failed`` count records and attempts of this server.
    """

    audit: AuditLog
    store: SinkStore
    clock: Clock
    entropy: Entropy
    holder: str
    target: SinkTarget
    limit: float = SEND_LIMIT
    lag: int = 0
    sent: int = 0
    failed: int = 0
    _state: SinkState | None = None
    _problem: str = ""
    _behind_since: float | None = None
    _retry_at: float = 0.0
    _in_a_row: int = 0
    _is_catching_up: bool = False
    _most: int = MOST_RECORDS

    async def step(self) -> None:
        """Send what the sink lacks, if it is this server's turn. Raises StoreUnavailable."""
        self._is_catching_up = False
        head = await self.audit.head()
        state = await self._look(head)
        if state.sent.seq >= head.seq or self.clock.steady() < self._retry_at:
            return
        sent = await self._turn()
        if sent is None:
            return
        page = await page_after(self.audit, sent.seq)
        records = [_record(line, digest) for line, digest in page]
        self._compare(sent, page[0][0] if page else "")
        for part in _parts(records, self._most):
            # Another server may have had the turn in between, and sent these.
            if await self._turn() != sent or not await self._send(part):
                return
            sent = Head(part[-1].seq, part[-1].digest)
            await asyncio.sleep(_BETWEEN)
        self._is_catching_up = self.lag > 0

    async def wait(self) -> None:
        """Return when there may be something to send."""
        await asyncio.sleep(_BETWEEN if self._is_catching_up else LOOK_EVERY)

    async def stop(self) -> None:
        """Let another server send at once. Raises StoreUnavailable."""
        await self.store.end_turn(self.target.name, self.holder)

    def health(self) -> Health:
        """How the sink is, whichever server sends to it."""
        state = self._state
        name, last = f"audit sink {self.target.name}", state.sent_at if state else None
        if self._problem or state is None:
            return Health(name, last, self._problem)
        lacks = f"it lacks {self.lag} record{'s' if self.lag != 1 else ''}"
        if state.failure:
            return Health(name, last, f"{state.failure}; {lacks}")
        since = self._behind_since
        is_behind = since is not None and self.clock.steady() - since >= BEHIND
        return Health(name, last, f"{lacks} for more than {BEHIND / 60:.0f} minutes" if is_behind else "")

    async def _look(self, head: Head) -> SinkState:
        """Read how far the sink is, and note how far it is behind."""
        state = await self._read()
        if state is None:
            await self.store.begin(self.target.name, head if self.target.only_new else Head())
            state = await self._read() or SinkState(self.target.name, Head())
        self._state, self.lag = state, max(0, head.seq - state.sent.seq)
        if self.lag == 0:
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self.clock.steady()
        if state.sent.seq > head.seq:
            self._report(f"it has record {state.sent.seq}, but the audit ends at {head.seq}", state.sent)
        return state

    async def _turn(self) -> Head | None:
        """Take or keep the turn, and return what the sink has; None if it is another server's turn."""
        now = self.clock.now()
        state = await self.store.take_turn(self.target.name, self.holder, now, now + TURN)
        return state.sent if state else None

    async def _read(self) -> SinkState | None:
        return next((each for each in await self.store.sinks() if each.name == self.target.name), None)

    def _compare(self, sent: Head, line: str) -> None:
        """Report records that do not follow the last one that was sent."""
        members = json.loads(line) if line else {}
        seq, previous = members.get("seq", sent.seq + 1), members.get("previous", sent.digest)
        if seq != sent.seq + 1:
            log.warning(
                "audit sink %s: the records up to %d were sealed before they were sent", self.target.name, seq - 1
            )
        elif previous != sent.digest:
            self._report(f"record {seq} does not follow the record {sent.seq} that was sent", sent)

    def _report(self, problem: str, sent: Head) -> None:
        problem = f"{problem}: run `bootgrant audit verify --head {sent}`"
        if problem != self._problem:
            log.error("audit sink %s: %s", self.target.name, problem)
            self._problem = problem

    async def _send(self, records: Sequence[SinkRecord]) -> bool:
        """Send records and move the cursor; return whether that worked."""
        try:
            async with asyncio.timeout(self.limit):
                await self.target.sink.send(records)
        except TimeoutError:
            await self._failed(NotSent(f"the receiver did not accept the records within {self.limit:.0f} s"))
            return False
        except NotSent as error:
            await self._failed(error)
            return False
        last = Head(records[-1].seq, records[-1].digest)
        is_noted = await self.store.note_sent(self.target.name, self.holder, last, self.clock.now())
        self.sent += len(records)
        self.lag = max(0, self.lag - len(records))
        if self._in_a_row:
            log.info("audit sink %s: works again after %d failures", self.target.name, self._in_a_row)
        self._in_a_row, self._retry_at, self._most = 0, 0.0, MOST_RECORDS
        return is_noted

    async def _failed(self, error: NotSent) -> None:
        longest = min(LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self._in_a_row, 16))
        # Between a half and the whole of it, so that many servers do not come back at the same moment.
        pause = max(error.after, longest * (1 + self.entropy.random_bytes(1)[0] / 255) / 2)
        self.failed += 1
        self._in_a_row += 1
        self._retry_at = self.clock.steady() + pause
        if error.permanent:
            # If one record is the reason, the ones before it still arrive.
            self._most = max(1, self._most // 2)
        log.warning("audit sink %s: next attempt in %.0f s: %s", self.target.name, pause, error)
        await self.store.note_failed(self.target.name, self.holder, self.clock.now(), str(error)[:_REASON])


def _record(line: str, digest: str) -> SinkRecord:
    members = json.loads(line)
    return SinkRecord(members["seq"], digest, members["kind"], members["at"], exported(line, digest))


def _parts(records: Sequence[SinkRecord], most: int) -> Iterator[Sequence[SinkRecord]]:
    """Yield the records in parts that are not too large."""
    part: list[SinkRecord] = []
    size = 0
    for record in records:
        if part and (len(part) >= most or size + len(record.line) > MOST_BYTES):
            yield part
            part, size = [], 0
        part.append(record)
        size += len(record.line)
    if part:
        yield part
