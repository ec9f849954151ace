"""Polls of machines, and what other services ask about their tokens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.codes import access_token
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.store.grant_book import GrantBook
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.admission import HeldPolls
from bootgrant.workflows.machine.tokens import PENDING, MachineTokens, PollGrant, PollRefused, TokenIssued
from bootgrant.workflows.record.codes_again import CodesAgain
from support.fakes import FakeClock
from support.grants import NOW, decision_by, pending_grant
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
RULES = GrantRules(hold=0.0)


@dataclass
class Site:
    """A request of a machine in a store in memory, and the workflows about its token."""

    rules: GrantRules = RULES
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    held: HeldPolls = field(default_factory=lambda: HeldPolls(100))

    def __post_init__(self) -> None:
        self.grant, self.code = pending_grant()
        self.again = CodesAgain(self.database.audit, self.clock, self.rules)
        self.poll_grant = PollGrant(self.database.grants, self.clock, self.rules, self.held, self.again)
        self.tokens = MachineTokens(self.database.grants, self.clock, self.rules)
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def opened(self) -> Site:
        await self.database.grants.open_grant(self.grant)
        return self

    async def poll(self, client_id: str = "talos", address: str = "10.20.0.11") -> TokenIssued | PollRefused:
        return await self.poll_grant(client_id, self.code, self.gone, address)

    async def approve(self) -> None:
        await self.database.grants.change_grant(
            self.grant.grant_id, lambda grant: grant.approve(decision_by("ana", self.clock.now()), "worker-1")
        )

    async def deliver(self) -> None:
        await self.database.grants.change_grant(
            self.grant.grant_id, lambda grant: grant.deliver(self.rules, self.clock.now())
        )

    @property
    def token(self) -> Secret:
        return access_token(self.code, self.grant.token_salt)


class SlowBook(GrantBook):
    """Finds nothing until it is released."""

    def __init__(self, book: GrantBook) -> None:
        self._book = book
        self.reads = 0
        self.released = asyncio.Event()

    async def find_by_device_code(self, digest: bytes) -> DeviceGrant | None:
        self.reads += 1
        await self.released.wait()
        return await self._book.find_by_device_code(digest)


async def test_a_stalled_store_does_not_make_a_patient_machine_look_hasty() -> None:
    site = await Site().opened()
    slow = SlowBook(site.database.grants)
    poll = PollGrant(slow, site.clock, RULES, HeldPolls(100), site.again)
    polls = []
    for number in range(20):
        polls.append(asyncio.create_task(poll("talos", site.code, site.gone, "10.20.0.11")))
        while slow.reads <= number:
            await asyncio.sleep(0)
        site.clock.advance(1)
    slow.released.set()
    assert await asyncio.gather(*polls) == [PENDING] * 20


async def test_an_approved_machine_gets_the_same_token_every_time() -> None:
    site = await Site().opened()
    assert await site.poll() is PENDING
    await site.approve()
    assert await site.poll() == TokenIssued(site.token, 4 * 3600, site.grant.grant_id)
    site.clock.advance(90)
    assert await site.poll() == TokenIssued(site.token, 4 * 3600 - 90, site.grant.grant_id)


async def test_an_unknown_code_and_another_clients_code_are_invalid() -> None:
    site = Site()
    assert await site.poll() == PollRefused(ErrorCode.INVALID_GRANT)
    await site.opened()
    assert await site.poll("other") == PollRefused(ErrorCode.INVALID_GRANT)


async def test_a_denied_machine_gets_the_reason_and_a_revoked_one_does_not() -> None:
    denied, revoked = await Site().opened(), await Site().opened()
    await denied.database.grants.change_grant(
        denied.grant.grant_id, lambda grant: grant.deny(decision_by("ana", NOW, "wrong rack"))
    )
    assert await denied.poll() == PollRefused(ErrorCode.ACCESS_DENIED, "wrong rack", 600.0)
    await revoked.approve()
    await revoked.database.grants.change_grant(revoked.grant.grant_id, lambda grant: grant.revoke(NOW))
    assert await revoked.poll() == PollRefused(ErrorCode.ACCESS_DENIED, "")


async def test_an_expired_request_and_an_expired_token_are_expired() -> None:
    pending, redeemed = await Site().opened(), await Site().opened()
    pending.clock.advance(600)
    assert await pending.poll() == PollRefused(ErrorCode.EXPIRED_TOKEN)
    await redeemed.approve()
    await redeemed.poll()
    redeemed.clock.advance(4 * 3600)
    assert await redeemed.poll() == PollRefused(ErrorCode.EXPIRED_TOKEN)


async def test_a_hasty_machine_is_slowed_down() -> None:
    site = await Site().opened()
    outcomes = [await site.poll() for _ in range(9)]
    assert outcomes == [PENDING] * 7 + [PollRefused(ErrorCode.SLOW_DOWN)] * 2


async def test_a_held_poll_is_answered_with_the_decision() -> None:
    site = await Site(rules=GrantRules(hold=25.0)).opened()
    poll = asyncio.create_task(site.poll())
    while not len(site.held):
        await asyncio.sleep(0)
    await site.approve()
    assert isinstance(await poll, TokenIssued)


async def test_a_held_poll_ends_with_its_connection_and_consumes_no_token() -> None:
    site = await Site(rules=GrantRules(hold=25.0)).opened()
    poll = asyncio.create_task(site.poll())
    while not len(site.held):
        await asyncio.sleep(0)
    site.gone.set_result(None)
    assert await poll is PENDING
    await site.approve()
    grant = await site.database.grants.find_grant(site.grant.grant_id)
    assert grant is not None
    assert grant.state is GrantState.APPROVED


async def test_a_poll_is_not_held_beyond_the_end_of_its_request() -> None:
    site = await Site(rules=GrantRules(hold=25.0)).opened()
    site.clock.advance(599.99)
    assert await site.poll() is PENDING


async def test_a_token_is_active_from_its_exchange_until_it_expires() -> None:
    site = await Site().opened()
    await site.approve()
    assert await site.tokens.active(site.token) is None
    await site.poll()
    active = await site.tokens.active(site.token)
    assert active is not None
    assert active.grant_id == site.grant.grant_id
    site.clock.advance(4 * 3600 - 1)
    assert await site.tokens.active(site.token) is not None
    site.clock.advance(1)
    assert await site.tokens.active(site.token) is None
    assert await site.tokens.find(site.token) is not None
    assert await site.tokens.find(Secret("unknown")) is None


async def test_a_delivered_token_is_active_for_its_grace() -> None:
    site = await Site().opened()
    await site.approve()
    await site.poll()
    await site.deliver()
    site.clock.advance(15 * 60 - 1)
    assert await site.tokens.active(site.token) is not None
    site.clock.advance(1)
    assert await site.tokens.active(site.token) is None


async def test_a_client_revokes_its_own_tokens_and_with_permission_those_of_others() -> None:
    site = await Site().opened()
    await site.approve()
    await site.poll()
    assert await site.tokens.revoke(Secret("unknown"), "other", any_token=False)
    assert not await site.tokens.revoke(site.token, "other", any_token=False)
    assert await site.tokens.active(site.token) is not None
    assert await site.tokens.revoke(site.token, "other", any_token=True)
    assert await site.tokens.active(site.token) is None
    (record,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.REVOKED,)), 10)
    assert (record.event.actor, record.event.via, record.event.entry) == ("other", "client", "worker-1")


async def test_a_client_may_revoke_its_own_token() -> None:
    site = await Site().opened()
    await site.approve()
    await site.poll()
    assert await site.tokens.revoke(site.token, "talos", any_token=False)
    assert await site.tokens.active(site.token) is None


async def test_a_replaced_code_that_is_polled_is_noted_and_a_held_poll_is_not() -> None:
    site = await Site(GrantRules(hold=30.0)).opened()
    held = asyncio.create_task(site.poll())
    while not site.held:
        await asyncio.sleep(0)
    await site.database.grants.open_grant(pending_grant()[0])
    assert await held == PollRefused(ErrorCode.EXPIRED_TOKEN)
    assert not site.again.counts
    assert await site.poll() == PollRefused(ErrorCode.EXPIRED_TOKEN)
    assert dict(site.again.counts) == {("machine", "replaced"): 1}


async def test_a_used_code_that_is_polled_is_noted_unless_the_machine_may_have_missed_the_answer() -> None:
    site = await Site().opened()
    await site.approve()
    for _ in range(2):
        assert isinstance(await site.poll(), TokenIssued)
        site.clock.advance(30)
    assert not site.again.counts
    assert isinstance(await site.poll(address="10.66.0.6"), TokenIssued)
    assert dict(site.again.counts) == {("machine", "used"): 1}
    site.clock.advance(60)
    await site.poll()
    assert dict(site.again.counts) == {("machine", "used"): 2}
    await site.poll("another client", "10.66.0.6")
    assert dict(site.again.counts) == {("machine", "used"): 2}
