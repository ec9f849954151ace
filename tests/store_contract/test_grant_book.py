"""The grants in memory and their journal: a change is visible once it is durable, and a failed one leaves no trace."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import StoreUnavailable, UserCodeTaken
from bootgrant.store.grant_book import Batch, GrantBook
from bootgrant.store.grant_index import DENIAL_KEPT, ENDED_KEPT, GrantIndex
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryJournal

pytestmark = pytest.mark.anyio
APPROVE = partial(DeviceGrant.approve, decision=decision_by("ana", NOW), entry="cp-1.yaml")


class SlowDisk(MemoryJournal):
    """A journal whose writes end when the test lets them, with success or an exception."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.broken: Exception | None = None

    async def write(self, batch: Batch) -> None:
        self.begun.set()
        await self.may_end.wait()
        if self.broken is not None:
            raise self.broken
        await super().write(batch)


async def test_a_grant_is_not_visible_before_it_is_durable() -> None:
    disk, (grant, _) = SlowDisk(), pending_grant()
    book = GrantBook(GrantIndex(), disk)
    opening = asyncio.create_task(book.open_grant(grant))
    await disk.begun.wait()
    assert await book.find_by_device_code(grant.device_code_digest) is None
    disk.may_end.set()
    await opening
    assert await book.find_by_device_code(grant.device_code_digest) == grant


async def test_the_second_of_two_decisions_on_a_slow_disk_is_refused() -> None:
    disk, (grant, _) = SlowDisk(), pending_grant()
    index = GrantIndex()
    index.put(grant)
    book = GrantBook(index, disk)
    first = asyncio.create_task(book.change_grant(grant.grant_id, APPROVE))
    second = asyncio.create_task(book.change_grant(grant.grant_id, APPROVE))
    await disk.begun.wait()
    assert not first.done()
    assert not second.done()
    disk.may_end.set()
    outcomes = await asyncio.gather(first, second)
    assert isinstance(outcomes[0], DeviceGrant)
    assert outcomes[1] is Refusal.ALREADY_DECIDED


@pytest.mark.parametrize("failure", [StoreUnavailable("disk full"), OverflowError("a number that no column takes")])
async def test_a_failed_write_fails_every_waiting_caller_and_leaves_no_trace(failure: Exception) -> None:
    disk, (grant, _) = SlowDisk(), pending_grant()
    index = GrantIndex()
    index.put(grant)
    book = GrantBook(index, disk)
    other, _ = pending_grant(identity=other_machine(1))
    disk.broken = failure
    waiting: list[asyncio.Task[object]] = [asyncio.create_task(book.change_grant(grant.grant_id, APPROVE))]
    await disk.begun.wait()
    waiting.append(asyncio.create_task(book.change_grant(grant.grant_id, APPROVE)))
    waiting.append(asyncio.create_task(book.open_grant(other)))
    await asyncio.sleep(0)
    disk.may_end.set()
    async with asyncio.timeout(10):
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 3
    disk.broken = None
    assert await book.find_grant(grant.grant_id) == grant
    assert isinstance(await book.change_grant(grant.grant_id, APPROVE), DeviceGrant)
    await book.open_grant(other)


async def test_a_step_without_its_audit_event_is_not_taken() -> None:
    (grant, _), book = pending_grant(), GrantBook(GrantIndex(), MemoryJournal())
    await book.open_grant(grant)

    def fails(_grant: DeviceGrant) -> AuditEvent:
        raise ValueError("no event")

    with pytest.raises(ValueError, match="no event"):
        await book.change_grant(grant.grant_id, APPROVE, audit=fails)
    await book.open_grant(pending_grant(identity=other_machine(1))[0])
    assert await book.find_grant(grant.grant_id) == grant


async def test_a_user_code_is_taken_before_it_is_durable() -> None:
    disk, (grant, _) = SlowDisk(), pending_grant()
    book = GrantBook(GrantIndex(), disk)
    opening = asyncio.create_task(book.open_grant(grant))
    await disk.begun.wait()
    same, _ = pending_grant(identity=other_machine(1), user_code_digest=grant.user_code_digest)
    with pytest.raises(UserCodeTaken):
        await book.open_grant(same)
    disk.may_end.set()
    await opening


async def test_memory_forgets_ended_grants_and_the_journal_keeps_them() -> None:
    index, journal = GrantIndex(), MemoryJournal()
    book = GrantBook(index, journal)
    ended, _ = pending_grant(identity=other_machine(1))
    denied, _ = pending_grant(identity=other_machine(2))
    for grant in (ended, denied):
        await book.open_grant(grant)
    await book.change_grant(denied.grant_id, partial(DeviceGrant.deny, decision=decision_by("ana", NOW)))
    late = ended.expires_at + ENDED_KEPT
    await book.open_grant(pending_grant(identity=other_machine(3), opened_at=late, expires_at=late + 600)[0])
    assert ended.grant_id not in index.by_id
    assert await book.find_grant(ended.grant_id) == ended
    assert await book.find_denial(denied.identity, denied.source_address, NOW - 1) is not None
    late = NOW + DENIAL_KEPT + 2 * ENDED_KEPT
    await book.open_grant(pending_grant(identity=other_machine(4), opened_at=late, expires_at=late + 600)[0])
    assert denied.grant_id not in index.by_id
    found = await book.find_grant(denied.grant_id)
    assert found is not None
    assert found.state is GrantState.DENIED
    assert len(index) == 1
