"""A person or a token loses rights: the armed windows close; votes and undelivered approvals become void."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bootgrant.approval.decision import Decision
from bootgrant.approval.grant import VOTE_LIFETIME, DeviceGrant, Refusal
from bootgrant.approval.operators import Label, Role
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.grant_cards import VoteFilter
from bootgrant.workflows.decide.windows import CloseWindows
from bootgrant.workflows.record.audit import voided, votes_lost

Concerns = Callable[[Decision], bool]
"""Whether a decision is one of the person or token that lost rights."""

_MOST: Final = 20_000
"""Waiting machines that are looked at: more than a site has."""


@dataclass(frozen=True, slots=True)
class VoidApprovals:
    """Ends approvals that were not delivered: their machines get neither a token nor a configuration any more.

    Votes for machines that are waiting for another person end with them, and stay void when the rights come back.
    What a rule or a window approved stays: no person decided about that machine. ``source`` is None where no
    configurations are read (commands while no server runs). Every method may raise StoreUnavailable; each returns how
    many approvals it ended.
    """

    store: GrantStore
    votes: VoteFilter
    clock: Clock
    source: ConfigSource | None = None

    async def of_operator(self, name: str) -> int:
        """Void those that this operator, who was disabled, gave or voted for, whichever way they signed in."""
        return await self._void(f"the operator {name} was disabled", lambda each: each.author.is_operator(name))

    async def beyond(self, name: str) -> int:
        """Void those of this operator that they could not give with the role and the limits that they have now."""
        reason = f"the operator {name} may no longer approve this machine"
        return await self._void(reason, lambda each: each.author.is_operator(name))

    async def signed_out(self, name: str, why: str) -> int:
        """Void those that this operator, who was signed out at the provider, has given until now.

        They may sign in again, with the same rights, so what they gave is void although it would count.
        """
        until = self.clock.now()
        return await self._void(why, lambda each: each.author.is_operator(name) and each.at <= until, in_any_case=True)

    async def of_token(self, name: str) -> int:
        """Void those that were given with this API token, which was revoked."""
        return await self._void(f"the token {name} was revoked", lambda each: each.author.token == name)

    async def counts(self) -> Callable[[str], int]:
        """Return a function that says how many ``of_operator`` would end now for an operator of this name."""
        grants = await self.store.undelivered(self.clock.now())
        return lambda name: sum(any(each.author.is_operator(name) for each in grant.approvals) for grant in grants)

    async def undelivered_of(self, name: str) -> Sequence[DeviceGrant]:
        """Return those that ``of_operator`` would end now for the operator of this name."""
        grants = await self.store.undelivered(self.clock.now())
        return [grant for grant in grants if any(each.author.is_operator(name) for each in grant.approvals)]

    async def _void(self, reason: str, concerns: Concerns, *, in_any_case: bool = False) -> int:
        """Void the undelivered approvals with a decision that ``concerns`` selects and that no longer counts.

        ``in_any_case``: also those that still count.
        """
        # Votes first: one that completes an approval meanwhile is found below.
        await self._void_votes(reason, concerns, in_any_case=in_any_case)
        now, ended = self.clock.now(), 0
        for grant in await self.store.undelivered(now):
            given = list(filter(concerns, grant.approvals))
            if not given or (not in_any_case and await self._all_count(grant, given)):
                continue
            rule = partial(DeviceGrant.void, reason=reason, now=now)
            outcome = await self.store.change_grant(grant.grant_id, rule, audit=voided(now, reason))
            ended += isinstance(outcome, DeviceGrant)
        return ended

    async def _all_count(self, grant: DeviceGrant, given: Sequence[Decision]) -> bool:
        return all(map(await self.votes.for_labels(await self._labels(grant.entry)), given))

    async def _void_votes(self, reason: str, concerns: Concerns, *, in_any_case: bool) -> None:
        """Void the same votes of waiting machines, and of those whose code expired: these votes could still move."""
        is_replaced = True
        while is_replaced:
            grants = await self.store.pending_grants(self.clock.now() - VOTE_LIFETIME, _MOST)
            voted = [grant for grant in grants if any(map(concerns, grant.votes))]
            is_replaced = any(
                [await self._is_replaced(grant, reason, concerns, in_any_case=in_any_case) for grant in voted]
            )

    async def _is_replaced(self, grant: DeviceGrant, reason: str, concerns: Concerns, *, in_any_case: bool) -> bool:
        """Void these votes of a request. Return True if the machine asked again: its next request has the votes."""
        counts = await self.votes.for_labels(await self._labels_of_vote(grant))

        def is_lost(vote: Decision) -> bool:
            return concerns(vote) and (in_any_case or not counts(vote))

        lost = list(filter(is_lost, grant.votes))
        if not lost:
            return False
        event = votes_lost(self.clock.now(), lost, reason)
        rule = partial(DeviceGrant.lose_votes, is_lost=is_lost)
        outcome = await self.store.change_grant(grant.grant_id, rule, audit=event)
        return isinstance(outcome, Refusal)

    async def _labels_of_vote(self, grant: DeviceGrant) -> Mapping[str, str]:
        """Return the labels of the entry that was voted for; none when it cannot be read or has changed."""
        try:
            entries = await self.source.entries() if self.source else ()
        except ConfigUnavailable:
            return {}
        return next((entry.labels for entry in entries if entry.fingerprint == grant.fingerprint), {})

    async def _labels(self, entry_name: str) -> Mapping[str, str]:
        """Return the labels of an entry; none when it cannot be read, so that people with limits lose theirs."""
        try:
            entry = await self.source.named_entry(entry_name) if self.source else None
        except ConfigUnavailable:
            return {}
        return entry.labels if entry else {}


@dataclass(frozen=True, slots=True)
class LostRights:
    """Both, for one event. Every method may raise StoreUnavailable and returns how many approvals became void."""

    windows: CloseWindows
    approvals: VoidApprovals

    async def of_operator(self, name: str) -> int:
        """The operator was disabled."""
        await self.windows.of_operator(name)
        return await self.approvals.of_operator(name)

    async def beyond(self, name: str, role: Role, labels: tuple[Label, ...]) -> int:
        """The operator has this role and these limits now."""
        await self.windows.beyond(name, role, labels)
        return await self.approvals.beyond(name)

    async def signed_out(self, name: str, why: str) -> int:
        """The operator was signed out at the provider. Their API tokens stay.

        ``why`` is for the audit, such as "signed out at the provider corp".
        """
        reason = f"the operator {name} was {why}"
        await self.windows.signed_out(name, reason)
        return await self.approvals.signed_out(name, reason)

    async def of_token(self, name: str) -> int:
        """The API token was revoked."""
        await self.windows.of_token(name)
        return await self.approvals.of_token(name)
