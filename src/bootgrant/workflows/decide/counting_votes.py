"""Which votes count: who was shut out since, or may no longer decide about this machine, has no vote any more, and
neither has a token that was revoked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bootgrant.approval.grant import Decision
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Role, is_within, via_token
from bootgrant.ports.people import ApiTokenStore, OperatorStore


@dataclass(frozen=True, slots=True)
class CountingVotes:
    operators: OperatorStore
    tokens: ApiTokenStore

    async def of(self, labels: Mapping[str, str]) -> Callable[[Decision], bool]:
        """Tells of a vote about a machine with these ``labels`` whether it counts now. Raises StoreUnavailable.

        A vote over the admin socket needs no operator; it falls only with an operator of that name who is shut out,
        because names that are the same are one person.
        """
        known = {operator.name.casefold(): operator for operator in await self.operators.operators()}
        tokens = {via_token(token.name) for token in await self.tokens.tokens()}

        def counts(vote: Decision) -> bool:
            if vote.via.startswith(via_token("")) and vote.via not in tokens:
                return False
            operator = known.get(vote.name.casefold())
            if operator is None:
                return True
            if operator.disabled_at is not None:
                return False
            may = operator.role.is_at_least(Role.APPROVER) and is_within(operator.labels, labels)
            return may or vote.via == VIA_ADMIN_SOCKET

        return counts
