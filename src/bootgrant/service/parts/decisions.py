"""The decisions of a site, built from its settings: cards with evidence, assignments, rules and windows."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.codes import UserCodes
from bootgrant.approval.grant import DeviceGrant
from bootgrant.approval.policy import NetworkNames
from bootgrant.evidence.command import CommandEvidence
from bootgrant.evidence.history import HistoryEvidence
from bootgrant.evidence.inventory import InventoryEvidence
from bootgrant.evidence.network import NetworkEvidence
from bootgrant.ports.configurations import ConfigSource
from bootgrant.ports.evidence import EvidenceSource
from bootgrant.ports.time import Clock, Entropy
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.workflows.decide.assign_machine import AssignMachine
from bootgrant.workflows.decide.auto_approve import AutoApprove
from bootgrant.workflows.decide.decide_grant import DecideGrant
from bootgrant.workflows.decide.grant_cards import GatherEvidence, GrantCards, VoteFilter
from bootgrant.workflows.decide.windows import ArmWindow
from bootgrant.workflows.limits.admission import Admission
from bootgrant.workflows.machine.deliver import FindEntry
from bootgrant.workflows.record.codes_again import CodesAgain
from bootgrant.workflows.record.recording import RecordOpenings, RecordRefusals, RecordTokenRefusals


@dataclass(slots=True)
class Decisions:
    """The workflows of decisions."""

    decide: DecideGrant
    assign: AssignMachine
    arm: ArmWindow
    auto_approve: AutoApprove
    openings: RecordOpenings
    refusals: RecordRefusals
    token_refusals: RecordTokenRefusals
    codes_again: CodesAgain

    def arrived(self, grant: DeviceGrant) -> None:
        """Record a new request and apply the rules to it; called after the machine got its answer."""
        self.openings.note(grant)
        self.auto_approve.arrived(grant)


def build_decisions(
    site: Site,
    database: Database,
    source: ConfigSource,
    clock: Clock,
    entropy: Entropy,
    codes: UserCodes,
    admission: Admission,
) -> Decisions:
    """Build the workflows of decisions. ``admission`` learns of each decision."""
    names = NetworkNames(site.networks.names)
    find_entry = FindEntry(source, database.assignments)
    sources: list[EvidenceSource] = [
        NetworkEvidence(names),
        InventoryEvidence(source),
        HistoryEvidence(database.audit, database.grants, clock),
        *(CommandEvidence(each.name, each.command, each.limit, each.keeps) for each in site.evidence.exec),
    ]
    evidence = GatherEvidence(sources, clock)
    votes = VoteFilter(database.operators, database.api_tokens)
    cards = GrantCards(database.grants, find_entry, evidence, database.audit, clock, codes, names, votes, site.grants)
    decide = DecideGrant(database.grants, source, clock, cards, admission)
    auto_approve = AutoApprove(database.grants, database.windows, cards, decide, clock, site.approval_rules())
    return Decisions(
        decide,
        AssignMachine(database.grants, source, database.assignments, database.audit, clock, find_entry),
        ArmWindow(database.windows, source, clock, entropy, site.vocabulary, auto_approve.check_all),
        auto_approve,
        RecordOpenings(database.audit, clock),
        RecordRefusals(database.audit, clock),
        RecordTokenRefusals(database.audit, clock),
        CodesAgain(database.audit, clock, site.grants),
    )
