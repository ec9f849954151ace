"""Values made at delivery: when they are made, that a retry gets the same one, and when they are taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.decision import Terms
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.machines.site.variables import Minting
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import ConfigUnavailable, Rendered
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver import ConfigReady, DeliverConfig, DeliveryRefusal
from bootgrant.workflows.machine.mint import TakeBack
from support.deciding import worker
from support.entries import Entries
from support.fakes import FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase
from support.minting import LIMIT, Mint, minting

pytestmark = pytest.mark.anyio
RULES = GrantRules()
ADDRESS = "10.20.0.11"
JOIN = Minting(("/bin/mint", "worker"), ("/bin/unmint",))


class Joining(Entries):
    """Entries whose configurations have a value that is made at delivery."""

    mints = JOIN

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        entry = await self.named_entry(name)
        config = b"join: made-at-delivery\n"
        return None if entry is None else Rendered(entry, config, "file", mints={"join": self.mints})


async def not_expected(grant: DeviceGrant) -> None:
    raise AssertionError(grant.elsewhere)


@dataclass
class Site:
    """Delivery on a store in memory, with programs in process."""

    programs: Mint = field(default_factory=Mint)
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    entries: Joining = field(default_factory=lambda: Joining([worker(1)]))

    def __post_init__(self) -> None:
        base = self.database
        values = minting(base, self.clock, self.programs)
        self.deliver = DeliverConfig(base.grants, self.entries, self.clock, RULES, not_expected, base.audit, values)
        self.take_back = TakeBack(base.minted, self.programs, self.clock, RULES, LIMIT)

    async def redeemed(self) -> tuple[DeviceGrant, Secret]:
        grant, code = pending_grant(identity=other_machine(1))
        token = access_token(code, grant.token_salt)
        await self.database.grants.open_grant(grant)
        terms = Terms(fingerprint=worker(1).fingerprint, sha256="0" * 64)
        for rule in (
            lambda stored: stored.approve(decision_by("ana", NOW), "worker-1", terms),
            lambda stored: stored.redeem("talos", access_token_digest(token), RULES, NOW),
        ):
            outcome = await self.database.grants.change_grant(grant.grant_id, rule)
            assert isinstance(outcome, DeviceGrant)
            grant = outcome
        return grant, token

    async def fetched(self, token: Secret) -> ConfigReady:
        ready = await self.deliver(token, MachineIdentity(), ADDRESS)
        assert isinstance(ready, ConfigReady), ready
        return ready

    async def events(self, kind: AuditKind) -> list[tuple[str, str, str]]:
        found = await self.database.audit.newest(AuditFilter(kinds=(kind,)), 100)
        return [(each.event.grant_id, each.event.entry, str(each.event.details.get("id", ""))) for each in found]


async def test_a_value_is_made_for_the_request_when_the_machine_fetches() -> None:
    site = Site()
    grant, token = await site.redeemed()
    assert site.programs.asked == []
    ready = await site.fetched(token)
    assert b"join: value-1" in ready.rendered.config
    assert site.programs.asked == [
        {
            "grant": grant.grant_id,
            "entry": "worker-1",
            "variable": "join",
            "machine": other_machine(1).given(),
            "id": "",
        }
    ]
    assert await site.events(AuditKind.MINTED) == [(grant.grant_id, "worker-1", "id-1")]


async def test_the_audit_has_a_digest_of_the_value_and_not_the_value() -> None:
    site = Site()
    _, token = await site.redeemed()
    await site.deliver.record(await site.fetched(token), ADDRESS)
    lines = [line async for page in site.database.audit.from_oldest() for line, _ in page]
    assert not any("value-1" in line for line in lines)
    (minted,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.MINTED,)), 10)
    assert len(minted.event.digest) == 64
    (delivered,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 10)
    assert delivered.event.details["made_at_delivery"] == "join"


async def test_a_retry_and_a_redelivery_inside_the_grace_get_the_same_value() -> None:
    site = Site()
    _, token = await site.redeemed()
    first = await site.fetched(token)
    again = await site.fetched(token)
    await site.deliver.record(again, ADDRESS)
    site.clock.advance(RULES.delivery_grace / 2)
    await site.take_back.step()
    third = await site.fetched(token)
    assert {ready.rendered.config for ready in (first, again, third)} == {first.rendered.config}
    assert len(site.programs.asked) == 1


async def test_two_machines_get_two_values() -> None:
    site = Site()
    _, token = await site.redeemed()
    other = Site(site.programs)
    _, other_token = await other.redeemed()
    assert (await site.fetched(token)).rendered.config != (await other.fetched(other_token)).rendered.config


async def test_a_program_that_fails_delivers_nothing_and_the_next_fetch_asks_again() -> None:
    site = Site(Mint(failure="exited with status 1"))
    grant, token = await site.redeemed()
    with pytest.raises(ConfigUnavailable, match="exited with status 1") as raised:
        await site.fetched(token)
    assert len(raised.value.reason) <= 32
    stored = await site.database.grants.find_grant(grant.grant_id)
    assert stored is not None
    assert stored.deliveries == 0
    site.programs.failure = ""
    assert b"value-2" in (await site.fetched(token)).rendered.config


async def test_a_changed_entry_makes_no_value() -> None:
    site = Site()
    _, token = await site.redeemed()
    site.entries.known = [replace(worker(1), labels={"site": "ams"})]
    assert await site.deliver(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.CHANGED_ENTRY
    assert site.programs.asked == []


async def test_a_key_that_is_made_for_the_machine_needs_no_second_person() -> None:
    site = Site()
    _, token = await site.redeemed()

    class WithKey(Joining):
        """The configuration is precious with the value, and was not without it."""

        async def render_made(
            self, name: str, identity: MachineIdentity, made: Mapping[str, Secret]
        ) -> Rendered | None:
            rendered = await super().render_made(name, identity, made)
            assert rendered is not None
            return replace(rendered, entry=replace(rendered.entry, precious=("machine.files[0].content",)))

    site.deliver = replace(site.deliver, source=WithKey([worker(1)]))
    assert b"value-1" in (await site.fetched(token)).rendered.config


async def test_a_value_of_a_request_that_was_revoked_is_taken_back_once() -> None:
    site = Site()
    grant, token = await site.redeemed()
    await site.deliver.record(await site.fetched(token), ADDRESS)
    await site.take_back.step()
    assert site.programs.taken_back == []
    await site.database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
    await asyncio.gather(*(site.take_back.step() for _ in range(3)))
    assert [each["id"] for each in site.programs.taken_back] == ["id-1"]
    assert await site.events(AuditKind.UNMINTED) == [(grant.grant_id, "worker-1", "id-1")]


async def test_a_value_that_no_machine_got_is_taken_back_when_the_token_ends() -> None:
    site = Site()
    _, token = await site.redeemed()
    await site.fetched(token)
    site.clock.advance(RULES.token_lifetime - 1)
    await site.take_back.step()
    assert site.programs.taken_back == []
    site.clock.advance(1)
    await site.take_back.step()
    assert [each["id"] for each in site.programs.taken_back] == ["id-1"]


async def test_a_delivered_value_is_kept_by_its_machine_when_the_token_ends() -> None:
    site = Site()
    _, token = await site.redeemed()
    await site.deliver.record(await site.fetched(token), ADDRESS)
    site.clock.advance(RULES.token_lifetime + 1)
    await site.take_back.step()
    assert site.programs.taken_back == []


async def test_taking_back_is_tried_again_later_until_it_works() -> None:
    site = Site()
    grant, token = await site.redeemed()
    await site.fetched(token)
    await site.database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
    site.programs.failure = "took too long"
    await site.take_back.step()
    site.programs.failure = ""
    await site.take_back.step()
    assert site.programs.taken_back == []
    site.clock.advance(LIMIT + 61)
    await site.take_back.step()
    assert [each["id"] for each in site.programs.taken_back] == ["id-1"]
    assert len(await site.events(AuditKind.UNMINTED)) == 1


async def test_without_unmint_nothing_is_run() -> None:
    site = Site()
    site.entries.mints = Minting(("/bin/mint",))
    grant, token = await site.redeemed()
    await site.fetched(token)
    await site.database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
    await site.take_back.step()
    assert site.programs.taken_back == []
    assert await site.database.minted.due(NOW) == []


async def test_a_value_that_came_after_the_request_was_revoked_is_taken_back() -> None:
    site = Site()
    grant, token = await site.redeemed()
    made = site.programs.mint

    class Slow(Mint):
        """A person revokes the request while the program runs."""

        def mint(self, words, given):  # type: ignore[no-untyped-def]
            asyncio.run_coroutine_threadsafe(revoke_and_take_back(), loop).result()
            return made(words, given)

    async def revoke_and_take_back() -> None:
        await site.database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
        await site.take_back.step()

    loop = asyncio.get_running_loop()
    values = minting(site.database, site.clock, Slow(taken_back=site.programs.taken_back))
    with pytest.raises(ConfigUnavailable, match="too late"):
        await values(grant, token, {"join": JOIN})
    assert [each["id"] for each in site.programs.taken_back] == ["", "id-1"]
