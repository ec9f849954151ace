"""A store that forgets everything with its process: for tests, and as the plainest reading of the ports."""

from __future__ import annotations

from collections.abc import Sequence

from bootgrant.approval.grant import Delivery, DeviceGrant
from bootgrant.counting import StoreCounts
from bootgrant.ports.operator_store import Operator, Session
from bootgrant.store.grant_book import Batch, GrantBook
from bootgrant.store.grant_index import GrantIndex


class MemoryJournal:
    """store.grant_book.Journal in dictionaries."""

    def __init__(self) -> None:
        self._grants: dict[str, DeviceGrant] = {}
        self._deliveries: dict[str, list[Delivery]] = {}

    async def write(self, batch: Batch) -> None:
        self._grants.update(batch.grants)
        for grant_id, delivery in batch.deliveries:
            self._deliveries.setdefault(grant_id, []).append(delivery)

    async def read_grant(self, grant_id: str) -> DeviceGrant | None:
        return self._grants.get(grant_id)

    async def read_deliveries(self, grant_id: str) -> Sequence[Delivery]:
        return list(self._deliveries.get(grant_id, ()))

    async def collect(self, unfetched_before: float, fetched_before: float, limit: int) -> Sequence[str]:
        over = [
            grant.grant_id
            for grant in self._grants.values()
            if (grant.token_expires_at < fetched_before if grant.token_digest else grant.expires_at < unfetched_before)
        ][:limit]
        for grant_id in over:
            del self._grants[grant_id]
            self._deliveries.pop(grant_id, None)
        return over

    async def check_writable(self) -> None:
        return


class MemoryOperatorStore:
    """ports.operator_store.OperatorStore in dictionaries."""

    def __init__(self) -> None:
        self._operators: dict[str, Operator] = {}
        self._sessions: dict[bytes, Session] = {}

    async def put_operator(self, operator: Operator) -> None:
        self._operators[operator.name] = operator
        self._sessions = {d: session for d, session in self._sessions.items() if session.operator != operator.name}

    async def find_operator(self, name: str) -> Operator | None:
        return self._operators.get(name)

    async def open_session(self, session: Session) -> None:
        self._sessions[session.digest] = session

    async def find_session(self, digest: bytes) -> Session | None:
        return self._sessions.get(digest)

    async def touch_session(self, digest: bytes, seen_at: float) -> None:
        if session := self._sessions.get(digest):
            self._sessions[digest] = Session(digest, session.operator, session.created_at, seen_at)

    async def end_session(self, digest: bytes) -> None:
        self._sessions.pop(digest, None)

    async def end_sessions_before(self, created_at: float, seen_at: float) -> None:
        self._sessions = {
            digest: session
            for digest, session in self._sessions.items()
            if session.created_at >= created_at and session.seen_at >= seen_at
        }


class MemoryDatabase:
    """Both stores of one process."""

    def __init__(self) -> None:
        self.counts = StoreCounts()
        self.grants = GrantBook(GrantIndex(), MemoryJournal(), self.counts)
        self.operators = MemoryOperatorStore()

    def close(self) -> None:
        return
