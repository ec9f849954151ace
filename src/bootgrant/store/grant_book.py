"""The grant store port over an index in memory and a journal that makes changes durable.

One process owns the grants, so it reads them from memory, and no other rule runs between a rule's read and its write.
A change becomes visible when the journal has it. Until then it is in ``_ahead``, where only the next rule sees it. When
the journal fails, ``_ahead`` is dropped and every waiting caller gets the error.
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
from bootgrant.ports.audit import AuditOf, EventsOf
from bootgrant.ports.grants import Census, GrantRule, StoreUnavailable, UserCodeTaken
from bootgrant.store.changes import ChangeBoard, count_step
from bootgrant.store.database import StoreCounts
from bootgrant.store.grant_index import GrantIndex
from bootgrant.store.group_commit import GroupCommit
from bootgrant.wire.identity import MachineIdentity

_COUNTED_AT_ONCE: Final = 2000


@dataclass(slots=True)
class Batch:
    """What becomes durable together: new grants, the newest state of changed ones, deliveries with the ids of their
    grants, and audit events. A grant that was opened and changed in one batch is in both dictionaries."""

    opened: dict[str, DeviceGrant] = field(default_factory=dict)
    grants: dict[str, DeviceGrant] = field(default_factory=dict)
    deliveries: list[tuple[str, Delivery]] = field(default_factory=list)
    events: list[AuditEvent] = field(default_factory=list)


class Journal(Protocol):
    """Writes batches, one after another. Every method may raise StoreUnavailable."""

    async def write(self, batch: Batch) -> None:
        """Return when the whole batch is durable. A failure leaves none of it."""

    async def read_grant(self, grant_id: str) -> DeviceGrant | None: ...

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]: ...

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        """Delete ended grants as GrantStore.collect_ended does, and return their ids."""

    async def check_writable(self) -> None: ...


class GrantBook:
    """ports.grants.GrantStore. ``index`` holds the live grants of the journal."""

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
        self._commits: GroupCommit[None, None] = GroupCommit(self._commit)

    async def open_grant(
        self, grant: DeviceGrant, fingerprint: str = "", audit: EventsOf | None = None
    ) -> Sequence[str]:
        self._index.forget_ended(grant.opened_at)
        if grant.user_code_digest in self._codes_ahead or self._index.has_code(grant):
            raise UserCodeTaken
        replaced = []
        machine = (grant.identity.key, grant.source_address)
        opening = self._opening.get(machine)
        for other in [*self._index.replaced_by(grant), *([] if opening is None else [opening])]:
            before = self._ahead.get(other.grant_id, other)
            after = before.replaced(grant.grant_id)
            if isinstance(after, DeviceGrant):
                self._stage(after)
                replaced.append(after.grant_id)
                grant = grant.following(before, fingerprint)
        self._opening[machine] = grant
        self._codes_ahead.add(grant.user_code_digest)
        self._ahead[grant.grant_id] = self._batch.opened[grant.grant_id] = grant
        if grant.votes or grant.void_votes:
            # A new row has only the fixed columns; this writes the others.
            self._stage(grant)
        self._batch.events += [] if audit is None else audit(grant)
        await self._commits.run(None)
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
        for start in range(0, len(waiting), _COUNTED_AT_ONCE):
            found = (self._index.by_id.get(grant_id) for grant_id in waiting[start : start + _COUNTED_AT_ONCE])
            live = [grant.opened_at for grant in found if grant is not None and grant.expires_at > now]
            pending += len(live)
            oldest = min((*live, *([] if oldest is None else [oldest])), default=None)
            # Let the server answer machines in between, however many are waiting.
            await asyncio.sleep(0)
        return Census(pending, oldest, self._index.unfetched(now))

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        return self._index.denial(identity, address, since)

    async def last_decision(self, identity: MachineIdentity, since: float) -> DeviceGrant | None:
        return self._index.last_decision(identity, since)

    async def undelivered(self, now: float) -> Sequence[DeviceGrant]:
        return self._index.undelivered(now)

    async def denials(self, since: float, limit: int) -> Sequence[DeviceGrant]:
        return self._index.denials(since, limit)

    async def live_with(self, identity: MachineIdentity, now: float) -> Sequence[DeviceGrant]:
        return list(self._index.pending_with(identity, now))

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
            await self._commits.run(None)
            count_step(self._counts, before, after)
        elif grant_id in self._ahead:
            # The outcome rests on a change that is not durable yet.
            await self._commits.run(None)
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

    async def _commit(self, callers: Sequence[None]) -> Sequence[None]:
        """Write everything that is staged. What is staged meanwhile is the next batch."""
        batch, self._batch = self._batch, Batch()
        try:
            if batch.opened or batch.grants:
                await self._journal.write(batch)
        except Exception as error:
            self._forget_staged()
            raise StoreUnavailable(str(error) or type(error).__name__) from error
        self._publish(batch)
        return callers

    def _publish(self, batch: Batch) -> None:
        for grant in batch.opened.values():
            machine = (grant.identity.key, grant.source_address)
            opening = self._opening.get(machine)
            if opening is not None and opening.grant_id == grant.grant_id:
                del self._opening[machine]
        for grant_id, grant in itertools.chain(batch.opened.items(), batch.grants.items()):
            self._index.put(grant)
            self._codes_ahead.discard(grant.user_code_digest)
            if self._ahead.get(grant_id) is grant:
                del self._ahead[grant_id]
            self._board.announce(grant_id)

    def _forget_staged(self) -> None:
        """Drop the failed batch and what was staged meanwhile, which may rest on it; all their callers are failed."""
        self._ahead.clear()
        self._codes_ahead.clear()
        self._opening.clear()
        self._batch = Batch()
