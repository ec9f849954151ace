"""A site with the undo of what one person approved."""

from __future__ import annotations

from dataclasses import replace

from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import Delivery, DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import VIA_SESSION, Actor, Kind, Refused, Role, via_token
from bootgrant.approval.policy import Window
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.people import Operator, Session
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.lost_rights import LostRights, VoidApprovals
from bootgrant.workflows.decide.windows import CloseWindows, WindowRequest
from bootgrant.workflows.people.api_tokens import ApiTokens, NewToken
from bootgrant.workflows.people.sign_in import Sessions
from bootgrant.workflows.people.undo import Given, UndoChoice, UndoWork, WorkOf
from bootgrant.workflows.record.audit import delivered, votes_followed
from support.deciding import ANA, CP, Deciders, worker
from support.fakes import CountedEntropy
from support.grants import NOW, UUID, other_machine, pending_grant

ROOT = Actor("root", Role.ADMIN)
WITH_PASSKEY = Actor("ana", Role.APPROVER, via="passkey")
CI = Actor("ci", Role.APPROVER, via=via_token("ci"))
CAROL = Actor("carol", Role.APPROVER)
NOTHING = UndoChoice()


class Site(Deciders):
    """The workflows of decisions, and the undo."""

    tokens: ApiTokens

    async def prepare(self) -> UndoWork:
        self.entries.known += [CP, *(worker(number) for number in range(9))]
        base, clock, entropy = self.database, self.clock, CountedEntropy()
        for name in ("ana", "ben"):
            await base.operators.add_operator(Operator(name, "hash", NOW, Role.APPROVER, (), Kind.LOCAL))
        void = VoidApprovals(base.grants, self.cards.votes, clock, self.entries)
        lost = LostRights(CloseWindows(base.windows, clock), void)
        self.tokens = ApiTokens(base.api_tokens, base.operators, clock, entropy, lost)
        sessions = Sessions(base.operators, clock, entropy)
        return UndoWork(base.grants, base.audit, base.operators, sessions, self.tokens, self.arm, clock)

    async def approved(self, number: int, actor: Actor = ANA) -> DeviceGrant:
        """Return a request that ``actor`` approved, a second later."""
        grant = await self.request(other_machine(number))
        self.clock.advance(1)
        done = await self.decide.approve(grant.grant_id, actor)
        assert isinstance(done, DeviceGrant)
        return done

    async def moved_vote(self, grant: DeviceGrant, vote: Decision) -> None:
        """Let a request have a vote without a record of it."""
        await self.database.grants.change_grant(
            grant.grant_id, lambda stored: stored._replace(votes=(vote,), fingerprint=CP.fingerprint)
        )

    async def redeemed(self, grant: DeviceGrant) -> None:
        """Let the machine fetch its token."""
        now = self.clock.now()
        digest = grant.grant_id.encode()
        await self.database.grants.change_grant(
            grant.grant_id, lambda stored: stored.redeem("talos", digest, GrantRules(), now)
        )

    async def delivered(self, grant: DeviceGrant) -> None:
        """Let the machine download its configuration."""
        await self.redeemed(grant)
        now = self.clock.now()
        delivery = Delivery(now, "10.20.0.12", "ab" * 32, 700)
        await self.database.grants.change_grant(
            grant.grant_id, lambda stored: stored.deliver(GrantRules(), now), delivery, delivered(delivery, "", "file")
        )

    async def voted(self) -> DeviceGrant:
        """Return a request of the control plane that ana voted for."""
        grant = await self.request(MachineIdentity(uuid=UUID))
        await self.decide.approve(grant.grant_id, ANA)
        return grant

    async def asks_again(self, fingerprint: str = CP.fingerprint) -> DeviceGrant:
        """Return the next request of the control plane."""
        now = self.clock.now()
        grant, _ = pending_grant(identity=MachineIdentity(uuid=UUID), opened_at=now, expires_at=now + 600)
        await self.database.grants.open_grant(grant, fingerprint, votes_followed)
        return grant

    async def states(self, *grants: DeviceGrant) -> list[GrantState]:
        return [(await self.current(grant)).state for grant in grants]


def given(outcome: WorkOf | Refused) -> list[tuple[str, Given]]:
    """Return the machine and what was given, of each approval."""
    assert isinstance(outcome, WorkOf), outcome
    return [(each.identity.serial or "control plane", each.given) for each in outcome.approvals]


async def prepare_everything(site: Site) -> UndoWork:
    """Give ana and ben a session, a window and a token each; ana's token has a window too."""
    work = await site.prepare()
    for name in ("ana", "ben"):
        digest = name.encode().ljust(32)
        await site.database.operators.open_session(Session(digest, name, NOW, NOW, NOW, VIA_SESSION))
        owner = await site.database.operators.find_operator(name)
        assert owner is not None
        made = await site.tokens.create_own(f"of-{name}", Role.APPROVER, (), 3600, owner, VIA_SESSION)
        assert isinstance(made, NewToken)
        for actor in (replace(ANA, name=name), Actor(f"of-{name}", Role.APPROVER, via=f"token:of-{name}", owner=name)):
            wanted = WindowRequest(("site=fra",), 3600.0, 3, name=f"{actor.name}-window")
            assert isinstance(await site.arm.arm(wanted, actor), Window)
    await site.tokens.create("ci", Role.VIEWER, (), 3600, ANA)
    return work
