"""A machine opens a request: its codes, the cooldown of a denial, and what is forgotten later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.codes import device_code_digest, normalise_user_code
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.ports.audit import EventsOf
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry
from bootgrant.ports.grants import Assignment, Binding, UserCodeTaken
from bootgrant.store.grant_book import GrantBook
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.limits.admission import Admission, TooMany
from bootgrant.workflows.machine.requests import (
    UNFETCHED_KEPT,
    CollectEnded,
    OpenedGrant,
    OpenGrant,
    RecentlyDenied,
)
from bootgrant.workflows.machine.two_people import TwoPeople
from support.entries import Entries
from support.fakes import CountedEntropy, FakeClock
from support.grants import CODES, NOW, decision_by, other_machine
from support.memory.database import MemoryDatabase

pytestmark = pytest.mark.anyio
RULES = GrantRules()


class TakenCodes(GrantBook):
    """A store in which the first ``taken`` user codes are taken."""

    def __init__(self, book: GrantBook, taken: int) -> None:
        self._book = book
        self.taken = taken

    async def find_denial(self, identity: MachineIdentity, address: str, since: float) -> DeviceGrant | None:
        return None

    async def open_grant(
        self, grant: DeviceGrant, fingerprint: str = "", audit: EventsOf | None = None
    ) -> Sequence[str]:
        if self.taken:
            self.taken -= 1
            raise UserCodeTaken
        return await self._book.open_grant(grant, fingerprint, audit)


@dataclass
class Site:
    """The workflow on a store in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    admission: Admission = field(default_factory=lambda: Admission(2, 100))
    arrived: list[DeviceGrant] = field(default_factory=list)
    rules: GrantRules = RULES
    entropy: CountedEntropy = field(default_factory=CountedEntropy)
    entries: Entries = field(default_factory=Entries)

    def workflow(self, store: GrantBook | None = None) -> OpenGrant:
        return OpenGrant(
            store or self.database.grants,
            self.clock,
            self.entropy,
            CODES,
            self.rules,
            self.admission,
            TwoPeople(self.entries, self.database.assignments, self.clock),
            self.arrived.append,
        )

    async def open(self, number: int = 1, address: str = "10.20.0.11") -> OpenedGrant | RecentlyDenied | TooMany:
        return await self.workflow()("talos", other_machine(number), address)

    async def denied(self, number: int = 1) -> None:
        """Open a request of this machine and deny it."""
        opened = await self.open(number)
        assert isinstance(opened, OpenedGrant)
        await self.database.grants.change_grant(
            opened.grant_id, lambda grant: grant.deny(decision_by("ana", self.clock.now(), "not today"))
        )
        self.admission.release(opened.grant_id)


async def test_a_machine_gets_codes_for_a_request_that_is_bound_to_its_claim() -> None:
    site = Site()
    opened = await site.open()
    assert isinstance(opened, OpenedGrant)
    assert (opened.expires_in, opened.interval) == (600, 1)
    assert normalise_user_code(opened.user_code) == opened.letters == CODES.of_grant(opened.grant_id)
    grant = await site.database.grants.find_grant(opened.grant_id)
    assert grant is not None
    assert site.arrived == [grant]
    assert (grant.client_id, grant.identity, grant.source_address) == ("talos", other_machine(1), "10.20.0.11")
    assert (grant.opened_at, grant.expires_at) == (NOW, NOW + 600)
    assert grant.device_code_digest == device_code_digest(opened.device_code)
    assert grant.user_code_digest == CODES.digest(opened.letters)
    assert len(grant.token_salt) == 16


async def test_ids_begin_with_the_time() -> None:
    site = Site()
    first = await site.open(1)
    site.clock.advance(0.001)
    second = await site.open(2)
    assert isinstance(first, OpenedGrant)
    assert isinstance(second, OpenedGrant)
    assert int(first.grant_id[:12], 16) == int(NOW * 1000)
    assert first.grant_id < second.grant_id


async def test_an_interval_below_a_second_is_announced_as_one() -> None:
    opened = await Site(rules=GrantRules(interval=0.2)).open()
    assert isinstance(opened, OpenedGrant)
    assert opened.interval == 1


async def test_a_denied_machine_gets_the_reason_until_its_cooldown_has_ended() -> None:
    site = Site()
    await site.denied()
    site.clock.advance(599)
    assert await site.open() == RecentlyDenied("not today", 1.0)
    assert isinstance(await site.open(2), OpenedGrant)
    site.clock.advance(1)
    assert isinstance(await site.open(), OpenedGrant)


async def test_a_denial_from_the_far_future_is_ignored() -> None:
    site = Site()
    site.clock.jump(86400.0)
    await site.denied()
    site.clock.jump(-86400.0 + 600)
    assert isinstance(await site.open(), OpenedGrant)


async def test_the_limits_refuse_and_store_nothing() -> None:
    site = Site()
    outcomes = [await site.open(number) for number in range(3)]
    assert outcomes[2] is TooMany.FROM_ADDRESS
    assert len(await site.database.grants.pending_grants(NOW, 10)) == len(site.arrived) == 2


async def test_a_replaced_request_gives_its_place_back() -> None:
    site = Site()
    for _ in range(3):
        assert isinstance(await site.open(1), OpenedGrant)
    assert isinstance(await site.open(2), OpenedGrant)
    assert await site.open(3) is TooMany.FROM_ADDRESS


async def test_another_code_is_drawn_when_one_is_taken() -> None:
    site = Site()
    store = TakenCodes(site.database.grants, 7)
    assert isinstance(await site.workflow(store)("talos", other_machine(1), "10.20.0.11"), OpenedGrant)
    store.taken = 8
    with pytest.raises(RuntimeError, match="8 user codes in a row were taken"):
        await site.workflow(store)("talos", other_machine(2), "10.20.0.11")


async def test_ended_requests_are_kept_for_a_day_and_delivered_ones_for_as_long_as_the_site_wants() -> None:
    site = Site()
    collect = CollectEnded(site.database.grants, site.database.bindings, site.clock, 30 * 86400.0)
    opened = await site.open(1)
    fetched = await site.open(2)
    assert isinstance(opened, OpenedGrant)
    assert isinstance(fetched, OpenedGrant)
    await site.database.grants.change_grant(
        fetched.grant_id, lambda grant: grant.approve(decision_by("ana", NOW), "worker-1")
    )
    await site.database.grants.change_grant(
        fetched.grant_id, lambda grant: grant.redeem("talos", b"t" * 32, RULES, NOW)
    )
    await site.database.bindings.bind(Binding(b"d", "key", "10.20.0.11", "worker-1", NOW, NOW + 600))

    async def left() -> tuple[bool, bool, bool]:
        grants = [await site.database.grants.find_grant(one.grant_id) for one in (opened, fetched)]
        binding = await site.database.bindings.bind(Binding(b"d", "other", "", "", NOW, NOW + 600))
        return grants[0] is not None, grants[1] is not None, binding.identity_key == "key"

    site.clock.advance(600 + UNFETCHED_KEPT)
    assert await collect.step() is False
    assert await left() == (True, True, True)
    site.clock.advance(1)
    assert await collect.step() is False
    assert await left() == (False, True, False)
    site.clock.at = NOW + RULES.token_lifetime + 30 * 86400.0 + 1
    await collect.step()
    assert (await left())[1] is False


async def test_a_full_step_of_collection_asks_for_another() -> None:
    site = Site(admission=Admission(1000, 1000))
    for number in range(201):
        await site.open(number)
    collect = CollectEnded(site.database.grants, site.database.bindings, site.clock, 0.0)
    site.clock.advance(600 + UNFETCHED_KEPT + 1)
    assert [await collect.step() for _ in range(2)] == [True, False]


PRECIOUS = MachineEntry("cp-1", "serial", match={"serial": ("SN0001",)}, machine_type="controlplane")
BY_RULE = MachineEntry("db-1", "serial", match={"serial": ("SN0001",)}, approvals=2)
PLAIN = MachineEntry("worker-1", "serial", match={"serial": ("SN0001",)})


@pytest.mark.parametrize(
    ("entry", "lifetime"),
    [(PRECIOUS, 1800), (BY_RULE, 1800), (PLAIN, 600), (None, 600)],
    ids=lambda each: str(each)[:20],
)
async def test_the_code_of_a_machine_that_needs_two_people_lives_longer(
    entry: MachineEntry | None, lifetime: int
) -> None:
    site = Site()
    site.entries.known += [entry] if entry else []
    opened = await site.open()
    assert isinstance(opened, OpenedGrant)
    assert opened.expires_in == lifetime
    grant = await site.database.grants.find_grant(opened.grant_id)
    assert grant is not None
    assert grant.expires_at == NOW + lifetime


async def test_an_assigned_entry_decides_how_long_the_code_lives_too() -> None:
    site = Site()
    site.entries.known.append(replace(PRECIOUS, match={"serial": ("SN9999",)}))
    await site.database.assignments.put(Assignment(other_machine(1), "cp-1", "ana", NOW))
    opened = await site.open()
    assert isinstance(opened, OpenedGrant)
    assert opened.expires_in == 1800


async def test_configurations_that_cannot_be_read_keep_no_machine_from_its_code() -> None:
    class Broken(Entries):
        async def may_need_two(self, identity: MachineIdentity) -> bool:
            raise ConfigUnavailable("machines.yaml is broken", "configs broken, see server log")

    opened = await Site(entries=Broken()).open()
    assert isinstance(opened, OpenedGrant)
    assert opened.expires_in == 600


async def test_a_request_with_a_longer_life_does_not_keep_others_from_being_forgotten() -> None:
    site = Site(admission=Admission(2, 100))
    site.entries.known.append(PRECIOUS)
    await site.open(1)
    await site.open(2)
    assert await site.open(3) is TooMany.FROM_ADDRESS
    site.clock.advance(600)
    assert isinstance(await site.open(3), OpenedGrant)
    assert await site.open(4) is TooMany.FROM_ADDRESS
