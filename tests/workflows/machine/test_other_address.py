"""A token that is used at another address than the one that asked is flagged or refused, and people are notified."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.decision import Terms
from bootgrant.approval.grant import MOST_ELSEWHERE, DeviceGrant, Elsewhere
from bootgrant.approval.grant_rules import AddressBinding, GrantRules
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.grants import GrantRule, StoreUnavailable
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver import ConfigReady, DeliverConfig, DeliveryRefusal
from support.deciding import worker
from support.entries import Entries
from support.fakes import FakeClock
from support.grants import NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase
from support.minting import minting

pytestmark = pytest.mark.anyio
ASKED, OTHER = "10.20.0.11", "192.0.2.7"
NOBODY = MachineIdentity()


@dataclass
class Site:
    """A machine that was approved and has its token, and the people who are notified."""

    bind: AddressBinding = AddressBinding.FLAG
    asked: str = ASKED
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    reported: list[tuple[Elsewhere, ...]] = field(default_factory=list)
    outbox_is_down: bool = False

    async def report(self, grant: DeviceGrant) -> None:
        if self.outbox_is_down:
            raise StoreUnavailable("the disk is full")
        self.reported.append(grant.elsewhere)

    async def token(self) -> Secret:
        """Approve the machine, and let it exchange its code."""
        self.rules = replace(GrantRules(), bind_address=self.bind)
        base, entries = self.database, Entries([worker(1)])
        self.deliver = DeliverConfig(
            base.grants, entries, self.clock, self.rules, self.report, base.audit, minting(base, self.clock)
        )
        grant, code = pending_grant(identity=other_machine(1), source_address=self.asked)
        self.grant_id, token = grant.grant_id, access_token(code, grant.token_salt)
        await self.database.grants.open_grant(grant)
        await self.change(
            lambda stored: stored.approve(decision_by("ana", NOW), "worker-1", Terms(fingerprint=worker(1).fingerprint))
        )
        await self.change(lambda stored: stored.redeem("talos", access_token_digest(token), self.rules, NOW))
        return token

    async def change(self, rule: GrantRule) -> None:
        assert isinstance(await self.database.grants.change_grant(self.grant_id, rule), DeviceGrant)

    async def elsewhere(self) -> tuple[Elsewhere, ...]:
        grant = await self.database.grants.find_grant(self.grant_id)
        assert grant is not None
        return grant.elsewhere

    async def events(self, kind: AuditKind) -> list[AuditEvent]:
        return [found.event for found in await self.database.audit.newest(AuditFilter(kinds=(kind,)), 50)]


async def test_the_usual_case_flags_nothing() -> None:
    for bind in AddressBinding:
        site = Site(bind)
        outcome = await site_outcome(site, ASKED)
        assert isinstance(outcome, ConfigReady)
        assert not outcome.elsewhere
        assert (await site.elsewhere(), site.reported, await site.events(AuditKind.OTHER_ADDRESS)) == ((), [], [])


async def site_outcome(site: Site, address: str, claimed: MachineIdentity = NOBODY) -> ConfigReady | DeliveryRefusal:
    token = await site.token()
    return await site.deliver(token, claimed, address)


async def test_a_token_at_another_address_is_flagged_and_gets_the_configuration() -> None:
    site = Site()
    outcome = await site_outcome(site, OTHER)
    assert isinstance(outcome, ConfigReady)
    assert outcome.elsewhere
    use = Elsewhere(OTHER, NOW, refused=False)
    assert (await site.elsewhere(), site.reported) == ((use,), [(use,)])
    (event,) = await site.events(AuditKind.OTHER_ADDRESS)
    assert (event.address, event.entry, event.details) == (OTHER, "worker-1", {"requested_from": ASKED})
    assert (event.reason, event.grant_id) == ("the configuration was sent", site.grant_id)
    await site.deliver.record(outcome, OTHER)
    (record,) = await site.events(AuditKind.DELIVERED)
    assert (record.address, record.details["requested_from"]) == (OTHER, ASKED)


async def test_a_delivery_to_the_address_that_asked_names_no_other() -> None:
    site = Site()
    outcome = await site_outcome(site, ASKED)
    assert isinstance(outcome, ConfigReady)
    await site.deliver.record(outcome, ASKED)
    (record,) = await site.events(AuditKind.DELIVERED)
    assert "requested_from" not in record.details


async def test_a_site_can_refuse_a_token_at_another_address(caplog: pytest.LogCaptureFixture) -> None:
    site = Site(AddressBinding.REFUSE)
    token = await site.token()
    assert await site.deliver(token, NOBODY, OTHER) is DeliveryRefusal.OTHER_ADDRESS
    use = Elsewhere(OTHER, NOW, refused=True)
    assert (await site.elsewhere(), site.reported) == ((use,), [(use,)])
    (event,) = await site.events(AuditKind.OTHER_ADDRESS)
    assert event.reason == "the configuration was refused"
    assert f"the token of a request from {ASKED} was used at {OTHER}, and refused" in caplog.text
    # The machine itself is not harmed.
    assert isinstance(await site.deliver(token, NOBODY, ASKED), ConfigReady)


@pytest.mark.parametrize(
    ("asked", "used", "is_same"),
    [
        ("2001:db8:1:2::5", "2001:db8:1:2:a1b2:c3d4:e5f6:7", True),
        ("2001:db8:1:2::5", "2001:db8:1:3::5", False),
        (ASKED, "2001:db8:1:2::5", False),
        ("2001:db8:1:2::5", ASKED, False),
        (ASKED, "10.20.0.12", False),
    ],
)
async def test_a_64_is_one_address_and_the_other_family_is_another(asked: str, used: str, is_same: bool) -> None:
    for bind in AddressBinding:
        site = Site(bind, asked)
        outcome = await site_outcome(site, used)
        is_refused = outcome is DeliveryRefusal.OTHER_ADDRESS
        assert is_refused is (not is_same and bind is AddressBinding.REFUSE)
        assert len(site.reported) == len(await site.elsewhere()) == (0 if is_same else 1)


async def test_each_other_address_is_recorded_once_however_often_it_comes() -> None:
    site = Site(AddressBinding.REFUSE)
    token = await site.token()
    for _ in range(3):
        for number in range(MOST_ELSEWHERE + 5):
            await site.deliver(token, NOBODY, f"192.0.2.{number}")
    kept = await site.elsewhere()
    assert [use.address for use in kept] == [f"192.0.2.{number}" for number in range(MOST_ELSEWHERE)]
    assert len(site.reported) == len(await site.events(AuditKind.OTHER_ADDRESS)) == MOST_ELSEWHERE


async def test_a_refused_use_that_later_gets_the_configuration_is_recorded_again() -> None:
    site = Site()
    token = await site.token()
    assert await site.deliver(token, other_machine(2), OTHER) is DeliveryRefusal.OTHER_IDENTITY
    assert isinstance(await site.deliver(token, NOBODY, OTHER), ConfigReady)
    assert [use.refused for use in await site.elsewhere()] == [True, False]
    assert len(site.reported) == 2


async def test_a_token_that_no_longer_works_is_refused_without_a_flag() -> None:
    site = Site()
    token = await site.token()
    await site.change(lambda stored: stored.revoke(NOW))
    assert await site.deliver(token, NOBODY, OTHER) is DeliveryRefusal.REVOKED_TOKEN
    assert await site.elsewhere() == ()


async def test_a_machine_is_served_although_nobody_could_be_notified(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    site = Site(outbox_is_down=True)
    assert isinstance(await site_outcome(site, OTHER), ConfigReady)
    assert len(await site.elsewhere()) == 1
    assert "nobody was notified of a token at another address: the disk is full" in caplog.text
