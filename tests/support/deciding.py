"""The workflows of decisions on a store in memory, with entries and a clock that tests move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from bootgrant.approval.audit import AuditEvent
from bootgrant.approval.codes import api_token_digest
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import Actor, Role, via_token
from bootgrant.approval.policy import NO_NAMES, Rule, Vocabulary
from bootgrant.evidence.history import HistoryEvidence
from bootgrant.evidence.inventory import InventoryEvidence
from bootgrant.evidence.network import NetworkEvidence
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.people import ApiToken
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.auto_approve import AutoApprove
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.grant_cards import GatherEvidence, GrantCards, VoteFilter
from bootgrant.workflows.decide.windows import ArmWindow
from bootgrant.workflows.limits.admission import Admission
from bootgrant.workflows.machine.deliver import FindEntry
from support.entries import Entries
from support.fakes import CountedEntropy, FakeClock
from support.grants import CODES, NOW, UUID, pending_grant
from support.memory.database import MemoryDatabase

ANA = Actor("ana", Role.APPROVER)
BEN = Actor("ben", Role.APPROVER)
VOCABULARY = Vocabulary({}, frozenset())


def worker(number: int) -> MachineEntry:
    """Return the entry of one of many workers, matched by serial."""
    serial = f"SN{number:04}"
    labels = {"role": "worker", "site": "fra"}
    return MachineEntry(f"worker-{number}", "serial", labels, match={"serial": (serial,)}, networks=("10.20.0.0/16",))


CP = MachineEntry(
    "cp-1", "uuid", {"role": "controlplane"}, match={"uuid": (UUID,)}, machine_type="controlplane", revision="4f2c9ab"
)


@dataclass(slots=True)
class Deciders:
    """The workflows as a site builds them."""

    rules: Sequence[Rule] = ()
    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    entries: Entries = field(default_factory=Entries)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    cards: GrantCards = field(init=False)
    decide: DecideGrant = field(init=False)
    assign: AssignMachine = field(init=False)
    auto_approve: AutoApprove = field(init=False)
    arm: ArmWindow = field(init=False)

    def __post_init__(self) -> None:
        base, source, clock = self.database, self.entries, self.clock
        find = FindEntry(source, base.assignments)
        history = HistoryEvidence(base.audit, base.grants, clock)
        evidence = GatherEvidence([NetworkEvidence(NO_NAMES), InventoryEvidence(source), history], clock)
        votes = VoteFilter(base.operators, base.api_tokens)
        self.cards = GrantCards(base.grants, find, evidence, base.audit, clock, CODES, NO_NAMES, votes, GrantRules())
        self.decide = DecideGrant(base.grants, source, clock, self.cards, Admission(99, 999))
        self.assign = AssignMachine(base.grants, source, base.assignments, base.audit, clock, find)
        self.auto_approve = AutoApprove(base.grants, base.windows, self.cards, self.decide, clock, self.rules)
        self.arm = ArmWindow(base.windows, source, clock, CountedEntropy(), VOCABULARY, self.auto_approve.check_all)

    async def request(self, identity: MachineIdentity, address: str = "10.20.0.11") -> DeviceGrant:
        """Open a request of a machine."""
        grant, _ = pending_grant(identity=identity, source_address=address)
        await self.database.grants.open_grant(grant)
        self.auto_approve.arrived(grant)
        return grant

    async def token(self, name: str, owner: str = "") -> Actor:
        """Store an API token, and return who presents it."""
        digest = api_token_digest(Secret(name))
        token = ApiToken(name, digest, Role.ADMIN, (), NOW, owner or "root", NOW + 3600, owner=owner)
        await self.database.api_tokens.add_token(token)
        return Actor(name, Role.ADMIN, via=via_token(name), owner=owner)

    async def current(self, grant: DeviceGrant) -> DeviceGrant:
        """Return the request as it is stored now."""
        found = await self.database.grants.find_grant(grant.grant_id)
        assert found is not None
        return found

    async def events(self) -> list[AuditEvent]:
        """Return the audit, oldest first."""
        return [record.event for record in reversed(await self.database.audit.newest(AuditFilter(), 1000))]
