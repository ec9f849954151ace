"""The grant store port over an index in memory and a journal that makes changes durable.

One process owns the grants, so it reads them from memory, and each rule runs where no other can run in between. A
change is seen by nobody before the journal has it: until then it stands in ``_ahead``, where only the next rule sees
it. When the journal fails, what stood there is forgotten, and everybody who waited is told.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import Delivery, DeviceGrant, Refusal
from bootgrant.ports.audit import AuditOf
from bootgrant.ports.database import StoreCounts
from bootgrant.ports.grants import Census, GrantRule, StoreUnavailable, UserCodeTaken
from bootgrant.store.changes import ChangeBoard
from bootgrant.store.grant_index import GrantIndex
from bootgrant.store.steps import count_step
from bootgrant.wire.identity import MachineIdentity

_AT_ONCE: Final = 2000


@dataclass(slots=True)
class Batch:
    """What becomes durable together: new grants, the newest state of changed ones, deliveries with their grant's id,
    and what the audit says of it.

    A grant that was opened and changed at once is in both.
    """

    opened: dict[str, DeviceGrant] = field(default_factory=dict)
    grants: dict[str, DeviceGrant] = field(default_factory=dict)
    deliveries: list[tuple[str, Delivery]] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)


class Journal(Protocol):
    """Keeps batches, one after the other. Every method may raise StoreUnavailable."""

    async def write(self, batch: Batch) -> None:
        """Returns when the whole batch is durable; a failure keeps nothing of it."""

    async def read_grant(self, grant_id: str) -> DeviceGrant | None: ...

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]: ...

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        """Forget ended grants, as GrantStore.collect_ended says; returns their ids."""

    async def check_writable(self) -> None: ...


class GrantBook:
    """ports.grants.GrantStore. ``index`` holds what the journal kept from before."""

    def __init__(self, index: GrantIndex, journal: Journal, counts: StoreCounts | None = None) -> None:
        self._index = index
        self._journal = journal
        self._counts = counts or StoreCounts()
        self._board = ChangeBoard()
        self._ahead: dict[str, DeviceGrant] = {}
        self._codes_ahead: set[bytes] = set()
        # The newest request of each machine at each address that is not durable yet.
        self._opening: dict[tuple[str, str], DeviceGrant] = {}
        self._batch = Batch()
        self._waiters: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop

    async def open_grant(self, grant: DeviceGrant) -> Sequence[str]:
        self._index.forget_ended(grant.opened_at)
        if grant.user_code_digest in self._codes_ahead or self._index.has_code(grant):
            raise UserCodeTaken
        replaced = []
        asking = (grant.identity.key, grant.source_address)
        opening = self._opening.get(asking)
        for other in [*self._index.replaced_by(grant), *([] if opening is None else [opening])]:
            after = self._ahead.get(other.grant_id, other).replaced()
            if isinstance(after, DeviceGrant):
                self._stage(after)
                replaced.append(after.grant_id)
        self._opening[asking] = grant
        self._codes_ahead.add(grant.user_code_digest)
        self._ahead[grant.grant_id] = self._batch.opened[grant.grant_id] = grant
        await self._durable()
        return replaced

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        return self._index.with_device_code(digest)

    async def find_by_user_code(self, digest: bytes) -> DeviceGrant | None:
        return self._index.with_user_code(digest)

    async def find_by_token(self, digest: bytes) -> DeviceGrant | None:
        return self._index.with_token(digest)

    async def find_grant(self, grant_id: str) -> DeviceGrant | None:
        return self._index.by_id.get(grant_id) or await self._journal.read_grant(grant_id)

    async def find_watched(self, grant_id: str) -> DeviceGrant | None:
        return await self.find_grant(grant_id)

    async def pending_grants(self, now: float, limit: int) -> Sequence[DeviceGrant]:
        return self._index.pending(now, limit)

    async def pending_since(self, opened_after: float, now: float, limit: int) -> Sequence[DeviceGrant]:
        return self._index.pending_since(opened_after, now, limit)

    async def census(self, now: float) -> Census:
        waiting, pending, oldest = self._index.waiting(), 0, None
        for start in range(0, len(waiting), _AT_ONCE):
            found = (self._index.by_id.get(grant_id) for grant_id in waiting[start : start + _AT_ONCE])
            live = [grant.opened_at for grant in found if grant is not None and grant.expires_at > now]
            pending += len(live)
            oldest = min((*live, *([] if oldest is None else [oldest])), default=None)
            # Machines are answered in between, however many wait.
            await asyncio.sleep(0)
        return Census(pending, oldest, self._index.unfetched(now))

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        return self._index.denial(identity, address, since)

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        return list(self._index.asking_with(identity, now))

    async def change_grant(
        self, grant_id: str, rule: GrantRule, delivery: Delivery | None = None, audit: AuditOf | None = None
    ) -> DeviceGrant | Refusal:
        before = self._ahead.get(grant_id) or await self.find_grant(grant_id)
        # While an old grant was read from the journal, another rule may have changed it.
        before = self._ahead.get(grant_id, before)
        if before is None:
            return Refusal.UNKNOWN
        after = rule(before)
        if isinstance(after, DeviceGrant) and after != before:
            events = [] if audit is None else [audit(after)]
            self._stage(after)
            if delivery is not None:
                self._batch.deliveries.append((grant_id, delivery))
            self._batch.events += events
            await self._durable()
            count_step(self._counts, before, after)
        elif grant_id in self._ahead:
            await self._durable()
        return after

    async def deliveries(self, grant_id: str) -> Sequence[Delivery]:
        return await self._journal.read_deliveries(grant_id)

    async def collect_ended(self, unfetched_before: float, fetched_before: float, limit: int) -> int:
        gone = await self._journal.collect(unfetched_before, fetched_before, limit)
        for grant_id in gone:
            self._index.drop(grant_id)
        return len(gone)

    def watch_grant(self, grant_id: str) -> AbstractContextManager[asyncio.Future[None]]:
        return self._board.watch(grant_id)

    async def check_writable(self) -> None:
        await self._journal.check_writable()

    def _stage(self, grant: DeviceGrant) -> None:
        self._ahead[grant.grant_id] = self._batch.grants[grant.grant_id] = grant

    async def _durable(self) -> None:
        """Returns when everything that is staged now has been written. Raises StoreUnavailable."""
        if self._writer is None:
            # Once for a batch: asking for the loop costs a system call before Python 3.12.
            self._loop = asyncio.get_running_loop()
            self._writer = self._loop.create_task(self._write())
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter

    async def _write(self) -> None:
        """Write batch after batch until nothing waits; what gathers during one write is the next batch."""
        try:
            while self._waiters:
                batch, self._batch = self._batch, Batch()
                waiters, self._waiters = self._waiters, []
                try:
                    if batch.opened or batch.grants:
                        await self._journal.write(batch)
                except Exception as error:  # noqa: BLE001  (whatever it was, nobody may wait for ever)
                    self._fail(waiters, error)
                else:
                    self._publish(batch)
                    for waiter in waiters:
                        if not waiter.done():
                            waiter.set_result(None)
        finally:
            self._writer = None

    def _publish(self, batch: Batch) -> None:
        for grant in batch.opened.values():
            asking = (grant.identity.key, grant.source_address)
            if self._opening.get(asking) is grant:
                del self._opening[asking]
        for grant_id, grant in itertools.chain(batch.opened.items(), batch.grants.items()):
            self._index.put(grant)
            self._codes_ahead.discard(grant.user_code_digest)
            if self._ahead.get(grant_id) is grant:
                del self._ahead[grant_id]
            self._board.announce(grant_id)

    def _fail(self, waiters: list[asyncio.Future[None]], error: Exception) -> None:
        """Nothing of what is ahead was kept; what was staged meanwhile may rest on it, so it goes too."""
        failed = [*waiters, *self._waiters]
        self._ahead.clear()
        self._codes_ahead.clear()
        self._opening.clear()
        self._batch, self._waiters = Batch(), []
        for waiter in failed:
            if not waiter.done():
                waiter.set_exception(StoreUnavailable(str(error) or type(error).__name__))
