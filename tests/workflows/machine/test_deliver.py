"""Delivery of configurations: for our own tokens, and for those of an outside provider."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.claims import OutsideRule, Person
from bootgrant.approval.codes import access_token, access_token_digest
from bootgrant.approval.decision import Terms
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.policy import parse_selector
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import MachineEntry, Rendered
from bootgrant.ports.grants import Assignment
from bootgrant.ports.providers import TokenRefusal, Verified
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.deliver import (
    ConfigReady,
    DeliverConfig,
    DeliveryRefusal,
    FindEntry,
)
from bootgrant.workflows.machine.deliver_outside import DeliverOutside, OutsideReady
from bootgrant.workflows.machine.deliver_to_bearer import DeliverToBearer
from bootgrant.workflows.record.recording import RecordTokenRefusals
from support.deciding import worker
from support.entries import Entries
from support.fakes import FakeClock
from support.grants import MAC, NOW, decision_by, other_machine, pending_grant
from support.memory.database import MemoryDatabase
from support.minting import minting

pytestmark = pytest.mark.anyio
RULES = GrantRules()
ADDRESS = "10.20.0.11"
ANA = Person("corp", "8f1", "ana@example.org", {"groups": "ops"}, NOW + 300)
OPS = OutsideRule((("groups", ("ops",)),), (parse_selector("site=fra"),))


async def not_expected(grant: DeviceGrant) -> None:
    """Nothing here is used at another address: test_other_address.py has that."""
    raise AssertionError(grant.elsewhere)


@dataclass(slots=True)
class Verifier:
    """ports.providers.TokenVerifier with one outcome."""

    outcome: Verified | TokenRefusal = field(default_factory=lambda: Verified(ANA, (OPS,)))
    calls: int = 0

    async def verify(self, token: Secret) -> Verified | TokenRefusal:
        self.calls += 1
        return self.outcome


@dataclass
class Site:
    """The workflows on a store in memory."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    entries: Entries = field(default_factory=lambda: Entries([worker(1), worker(2)]))
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    verifier: Verifier = field(default_factory=Verifier)

    def __post_init__(self) -> None:
        base = self.database
        self.find_entry = FindEntry(self.entries, base.assignments)
        self.own = DeliverConfig(
            base.grants, self.entries, self.clock, RULES, not_expected, base.audit, minting(base, self.clock)
        )
        self.refusals = RecordTokenRefusals(base.audit, self.clock)
        stores = base.bindings, base.audit
        self.outside = DeliverOutside(
            self.verifier, self.find_entry, self.entries, *stores, self.clock, RULES, 86400.0, self.refusals
        )
        self.any = DeliverToBearer(self.own, self.outside)

    async def redeemed(self) -> tuple[DeviceGrant, Secret]:
        """Approve a request for worker-1 and exchange its code; return the grant and the token."""
        grant, code = pending_grant(identity=other_machine(1))
        token = access_token(code, grant.token_salt)
        await self.database.grants.open_grant(grant)
        terms = Terms(fingerprint=worker(1).fingerprint)
        for rule in (
            lambda stored: stored.approve(decision_by("ana", NOW), "worker-1", terms),
            lambda stored: stored.redeem("talos", access_token_digest(token), RULES, NOW),
        ):
            outcome = await self.database.grants.change_grant(grant.grant_id, rule)
            assert isinstance(outcome, DeviceGrant)
            grant = outcome
        return grant, token


async def test_a_token_delivers_the_approved_entry_and_the_delivery_is_recorded() -> None:
    site = Site(entries=Entries([replace(worker(1), revision="4f2c9ab")]))
    grant, token = await site.redeemed()
    ready = await site.any(token, MachineIdentity(), ADDRESS)
    assert isinstance(ready, ConfigReady)
    assert (ready.grant, ready.rendered.entry.name) == (grant, "worker-1")
    await site.any.record(ready, "10.20.0.99")
    (delivery,) = await site.database.grants.deliveries(grant.grant_id)
    assert (delivery.at, delivery.address, delivery.sha256) == (NOW, "10.20.0.99", ready.rendered.sha256)
    assert delivery.size == len(ready.rendered.config)
    stored = await site.database.grants.find_grant(grant.grant_id)
    assert stored is not None
    assert (stored.state, stored.deliveries) == (GrantState.DELIVERED, 1)
    (record,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 10)
    assert (record.event.entry, record.event.revision) == ("worker-1", "4f2c9ab")
    assert record.event.address == "10.20.0.99"


@pytest.mark.parametrize("end", ["void", "revoke", "expire"])
async def test_a_delivery_is_recorded_if_the_approval_ended_during_the_download(end: str) -> None:
    site = Site()
    grant, token = await site.redeemed()
    ready = await site.own(token, MachineIdentity(), ADDRESS)
    assert isinstance(ready, ConfigReady)
    site.clock.advance(RULES.token_lifetime if end == "expire" else 1)
    steps = {"void": lambda stored: stored.void("a reason", NOW), "revoke": lambda stored: stored.revoke(NOW)}
    if end in steps:
        await site.database.grants.change_grant(grant.grant_id, steps[end])
    before = await site.database.grants.find_grant(grant.grant_id)
    await site.any.record(ready, "10.20.0.99")
    assert await site.database.grants.find_grant(grant.grant_id) == before
    (record,) = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.DELIVERED,)), 10)
    event = record.event
    assert (event.grant_id, event.address, event.digest) == (grant.grant_id, "10.20.0.99", ready.rendered.sha256)
    assert (event.reason, event.details["delivery"]) == ("the approval ended during the download", 1)


async def test_a_token_ends_when_it_expires_and_a_grace_after_its_first_delivery() -> None:
    site = Site()
    _, token = await site.redeemed()
    site.clock.advance(RULES.token_lifetime - 1)
    assert isinstance(await site.own(token, MachineIdentity(), ADDRESS), ConfigReady)
    site.clock.advance(1)
    assert await site.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.EXPIRED_TOKEN
    used = Site()
    _, token = await used.redeemed()
    ready = await used.own(token, MachineIdentity(), ADDRESS)
    assert isinstance(ready, ConfigReady)
    await used.own.record(ready, ADDRESS)
    used.clock.advance(RULES.delivery_grace - 1)
    assert isinstance(await used.own(token, MachineIdentity(), ADDRESS), ConfigReady)
    used.clock.advance(1)
    assert await used.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.USED_TOKEN


async def test_a_token_is_refused_with_a_reason_for_the_console() -> None:
    site = Site()
    grant, token = await site.redeemed()
    assert await site.own(Secret("unknown"), MachineIdentity(), ADDRESS) is DeliveryRefusal.INVALID_TOKEN
    assert await site.own(token, other_machine(2), ADDRESS) is DeliveryRefusal.OTHER_IDENTITY
    assert isinstance(await site.own(token, other_machine(1), ADDRESS), ConfigReady)
    site.entries.known[0] = replace(worker(1), machine_type="controlplane")
    assert await site.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.CHANGED_ENTRY
    site.entries.known[0] = replace(worker(1), precious=("cluster.ca.key",))
    assert await site.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.CHANGED_ENTRY
    del site.entries.known[0]
    assert await site.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.NO_CONFIG
    await site.database.grants.change_grant(grant.grant_id, lambda stored: stored.revoke(NOW))
    assert await site.own(token, MachineIdentity(), ADDRESS) is DeliveryRefusal.REVOKED_TOKEN


async def test_an_unknown_token_is_only_refused_where_no_provider_is_configured() -> None:
    site = Site()
    assert isinstance(await site.any(Secret("outside"), other_machine(1), ADDRESS), OutsideReady)
    without = DeliverToBearer(site.own)
    assert await without(Secret("outside"), other_machine(1), ADDRESS) is DeliveryRefusal.INVALID_TOKEN


async def outside(site: Site, number: int = 1, address: str = ADDRESS) -> object:
    return await site.outside(Secret("token"), other_machine(number), address)


async def test_a_provider_token_is_bound_to_its_first_machine_address_and_entry() -> None:
    site = Site()
    ready = await outside(site)
    assert isinstance(ready, OutsideReady)
    assert (ready.binding.entry, ready.binding.address, ready.binding.expires_at) == ("worker-1", ADDRESS, NOW + 300)
    assert isinstance(await outside(site), OutsideReady)
    assert await outside(site, 2) is DeliveryRefusal.OTHER_MACHINE
    assert await outside(site, 1, "10.20.0.12") is DeliveryRefusal.OTHER_PLACE
    assert isinstance(await outside(site), OutsideReady)
    site.entries.known[0] = replace(worker(1), name="worker-1b")
    assert await outside(site) is DeliveryRefusal.CHANGED_ENTRY


async def test_each_provider_token_has_its_own_binding() -> None:
    site = Site()
    for number in (1, 2):
        ready = await site.outside(Secret(f"token {number}"), other_machine(number), ADDRESS)
        assert isinstance(ready, OutsideReady)
        assert ready.binding.entry == f"worker-{number}"


async def test_the_binding_of_a_token_without_an_end_is_kept_for_a_time() -> None:
    site = Site(verifier=Verifier(Verified(replace(ANA, expires_at=None), (OPS,))))
    ready = await outside(site)
    assert isinstance(ready, OutsideReady)
    assert ready.binding.expires_at == NOW + 86400


async def test_a_provider_token_is_used_up_a_grace_after_its_first_delivery() -> None:
    site = Site()
    ready = await outside(site)
    assert isinstance(ready, OutsideReady)
    await site.any.record(ready, ADDRESS)
    (record,) = await site.database.audit.newest(AuditFilter(), 10)
    event = record.event
    assert (event.actor, event.via, event.entry) == ("ana@example.org (corp)", "provider:corp", "worker-1")
    assert (event.at, event.kind, event.identity, event.address) == (
        NOW,
        AuditKind.DELIVERED,
        other_machine(1),
        ADDRESS,
    )
    assert (event.digest, event.revision) == (ready.rendered.sha256, ready.rendered.entry.revision)
    assert event.reason == "the machine's identity is its own claim"
    assert event.details == {"size": len(ready.rendered.config), "composer": "file", "subject": "8f1"}
    site.clock.advance(RULES.delivery_grace - 1)
    assert isinstance(await outside(site), OutsideReady)
    site.clock.advance(1)
    assert await outside(site) is DeliveryRefusal.USED_TOKEN


async def test_a_provider_token_needs_an_identity_an_entry_its_network_and_a_rule() -> None:
    site = Site()
    hostname = MachineIdentity(hostname="worker-1")
    assert await site.outside(Secret("token"), hostname, ADDRESS) is DeliveryRefusal.NO_IDENTITY
    assert await outside(site, 77) is DeliveryRefusal.NO_CONFIG
    assert await outside(site, 1, "10.66.0.6") is DeliveryRefusal.OTHER_NETWORK
    site.entries.known[1] = replace(worker(2), networks=())
    assert isinstance(await outside(site, 2, "10.66.0.6"), OutsideReady)
    site.verifier.outcome = Verified(replace(ANA, claims={}), (OPS,))
    assert await outside(site) is DeliveryRefusal.NOT_ALLOWED
    site.verifier.outcome = Verified(ANA, (OPS,))
    site.entries.known[0] = replace(worker(1), machine_type="controlplane")
    assert await outside(site) is DeliveryRefusal.CONTROL_PLANE


async def test_a_token_whose_claims_cannot_change_ends_with_the_refusal() -> None:
    site = Site()
    site.outside.unchanging = frozenset({"corp"})
    site.verifier.outcome = Verified(replace(ANA, claims={}), (OPS,))
    assert await outside(site) is DeliveryRefusal.NO_RIGHT
    site.verifier.outcome = Verified(replace(ANA, provider="another", claims={}), (OPS,))
    assert await outside(site) is DeliveryRefusal.NOT_ALLOWED
    site.verifier.outcome = Verified(ANA, (OPS,))
    site.entries.known[0] = replace(worker(1), machine_type="controlplane")
    assert await outside(site) is DeliveryRefusal.OTHER_APPROVER


def test_every_refusal_fits_the_console() -> None:
    assert all(each.value.isascii() and len(each.value) <= 32 for each in (*DeliveryRefusal, *TokenRefusal))
    # Two with the same text would be one.
    assert len(DeliveryRefusal) == len(DeliveryRefusal.__members__)


async def token_refusals(site: Site) -> list[AuditEvent]:
    await site.refusals.step()
    found = await site.database.audit.newest(AuditFilter(kinds=(AuditKind.TOKEN_REFUSED,)), 50)
    return [record.event for record in reversed(found)]


async def test_a_refused_token_is_recorded_once_an_hour_with_what_came(caplog: pytest.LogCaptureFixture) -> None:
    site = Site()
    site.verifier.outcome = Verified(replace(ANA, claims={"groups": ["/ops"], "mail": "other@example.net"}), (OPS,))
    for _ in range(3):
        assert await outside(site) is DeliveryRefusal.NOT_ALLOWED
        site.clock.advance(5)
    (event,) = await token_refusals(site)
    assert (event.actor, event.entry, event.address) == (str(ANA), "worker-1", ADDRESS)
    assert event.reason == "no rule of this provider matches the person"
    assert event.details["came_1"] == 'groups: "/ops"'
    assert str(event.details["nearest"]).startswith('"/ops" is not "ops": turn off "Full group path"')
    assert 'nearest rule: "/ops" is not "ops"' in caplog.text
    assert "other@example.net" not in caplog.text
    site.clock.advance(3600)
    await outside(site)
    assert len(await token_refusals(site)) == 2


async def test_a_token_whose_groups_were_left_out_is_refused_with_that_reason() -> None:
    site = Site()
    site.verifier.outcome = Verified(replace(ANA, claims={"_claim_names": {"groups": "src1"}}), (OPS,))
    assert await outside(site) is DeliveryRefusal.NOT_ALLOWED
    (event,) = await token_refusals(site)
    assert "unknown (_claim_names" in str(event.details["nearest"])
    assert "use app roles" in str(event.details["nearest"])


async def test_a_refusal_binds_nothing() -> None:
    site = Site()
    await outside(site, 77)
    await outside(site, 1, "10.66.0.6")
    assert isinstance(await outside(site, 2), OutsideReady)


async def test_invalid_tokens_end_in_a_pause_for_their_address_only() -> None:
    site = Site(verifier=Verifier(TokenRefusal.EXPIRED))
    for _ in range(300):
        assert await outside(site) is TokenRefusal.EXPIRED
    assert await outside(site) is DeliveryRefusal.BAD_TOKENS
    assert site.verifier.calls == 300
    assert await outside(site, 1, "10.20.0.12") is TokenRefusal.EXPIRED
    site.clock.advance(0.25)
    assert await outside(site) is TokenRefusal.EXPIRED
    site.clock.advance(1)
    site.verifier.outcome = Verified(ANA, (OPS,))
    assert [type(await outside(site)) for _ in range(9)] == [OutsideReady] * 9


class Templated(Entries):
    """A template makes the serial SN0001 a control plane."""

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        entry = await self.named_entry(name)
        kind = "controlplane" if identity.serial == "SN0001" else "worker"
        return Rendered(replace(entry, machine_type=kind, varies=False), b"x", "file") if entry else None


async def test_an_entry_is_found_with_the_type_that_its_template_gives_to_the_machine() -> None:
    known = replace(worker(1), machine_type="worker", varies=True, match={"serial": ("SN0001", "SN0002")})
    site = Site(entries=Templated([known]))
    types = []
    for number in (1, 2):
        found = await site.find_entry(other_machine(number))
        assert found is not None
        types.append((found.entry.machine_type, found.entry.varies, found.assignment))
    assert types == [("controlplane", False, None), ("worker", False, None)]
    assert await outside(site) is DeliveryRefusal.CONTROL_PLANE


async def test_a_person_assigns_only_machines_that_the_configurations_do_not_know() -> None:
    site = Site()
    spare = MachineEntry("spare", "", {"site": "fra"})
    site.entries.known.append(spare)
    for identity in (other_machine(1), MachineIdentity(serial="SN-A", mac=MAC)):
        await site.database.assignments.put(Assignment(identity, "spare", "ana", NOW))
    known = await site.find_entry(other_machine(1))
    assert known is not None
    assert (known.entry.name, known.assignment) == ("worker-1", None)
    assigned = await site.find_entry(MachineIdentity(mac=MAC))
    assert assigned is not None
    assert assigned.assignment is not None
    assert (assigned.entry.name, assigned.entry.matched, assigned.entry.exact) == ("spare", "assigned by ana", False)
    assert await site.find_entry(MachineIdentity(serial="SN-B", mac=MAC)) is None
    site.entries.known.remove(spare)
    assert await site.find_entry(MachineIdentity(mac=MAC)) is None
