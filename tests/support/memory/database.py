"""A database in memory: the simplest implementation of the ports."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from bootgrant.approval.grant import Delivery, DeviceGrant
from bootgrant.store.database import Database, StoreCounts
from bootgrant.store.grant_book import Batch, GrantBook
from bootgrant.store.grant_index import GrantIndex
from support.memory.decisions import MemoryAssignmentStore, MemoryAuditLog, MemoryBindingStore, MemoryWindowStore
from support.memory.epochs import MemoryEpochStore
from support.memory.leaving import MemorySessionCheckStore, MemorySignOutStore
from support.memory.logins import MemoryLoginStore
from support.memory.minting import MemoryMintStore
from support.memory.outbox import MemoryOutbox
from support.memory.people import (
    MemoryApiTokenStore,
    MemoryChallengeStore,
    MemoryOperatorStore,
    MemoryPasskeyStore,
)
from support.memory.push import MemoryPushDeviceStore
from support.memory.sinks import MemorySinkStore


class MemoryJournal:
    """store.grant_book.Journal in dictionaries."""

    def __init__(self, audit: MemoryAuditLog | None = None) -> None:
        self._audit = audit or MemoryAuditLog()
        self._grants: dict[str, DeviceGrant] = {}
        self._deliveries: dict[str, list[Delivery]] = {}

    async def write(self, batch: Batch) -> None:
        self._grants.update(batch.opened | batch.grants)
        for grant_id, delivery in batch.deliveries:
            self._deliveries.setdefault(grant_id, []).append(delivery)
        if batch.events:
            await self._audit.append(batch.events)

    async def read_grant(self, grant_id: str) -> DeviceGrant | None:
        return self._grants.get(grant_id)

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]:
        return list(self._deliveries.get(grant_id, ()))

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        ended = [
            grant.grant_id
            for grant in self._grants.values()
            if (grant.token_expires_at < fetched_before if grant.token_digest else grant.expires_at < unfetched_before)
        ][:limit]
        for grant_id in ended:
            del self._grants[grant_id]
            self._deliveries.pop(grant_id, None)
        return ended

    async def check_writable(self) -> None:
        return


class MemoryDatabase(Database):
    """The stores in dictionaries."""

    grants: GrantBook
    operators: MemoryOperatorStore
    audit: MemoryAuditLog
    api_tokens: MemoryApiTokenStore
    windows: MemoryWindowStore
    logins: MemoryLoginStore

    def __init__(self) -> None:
        self.counts = StoreCounts()
        self.audit = MemoryAuditLog()
        self.deliveries = self.audit.deliveries
        self.assignments = MemoryAssignmentStore()
        self.windows = MemoryWindowStore(self.audit)
        self.grants = GrantBook(GrantIndex(), MemoryJournal(self.audit), self.counts)
        self.minted = MemoryMintStore(self.grants, self.audit)
        self.operators = MemoryOperatorStore(self.audit)
        self.sign_outs = MemorySignOutStore()
        self.session_checks = MemorySessionCheckStore(self.operators)
        self.logins = MemoryLoginStore()
        self.outbox = MemoryOutbox()
        self.passkeys = MemoryPasskeyStore(self.operators)
        self.challenges = MemoryChallengeStore()
        self.api_tokens = MemoryApiTokenStore(self.audit)
        self.bindings = MemoryBindingStore()
        self.sinks = MemorySinkStore()
        self.push_devices = MemoryPushDeviceStore(self.operators, self.audit)

        self.epochs = MemoryEpochStore(self.audit, self._void)

    def call_after_taking_away(self, look: Callable[[], Awaitable[None]]) -> None:
        self.audit.after_taking_away = look

    async def _void(self) -> None:
        self.operators.open_sessions.clear()
        for token in await self.api_tokens.tokens():
            await self.api_tokens.remove_token(token.name)
        for window in await self.windows.windows():
            await self.windows.disarm(window.window_id)
        self.logins.forget_all()

    def close(self) -> None:
        return
