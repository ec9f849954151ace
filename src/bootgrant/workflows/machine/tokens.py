"""Access tokens of machines: polled for (RFC 8628 section 3.4), introspected (RFC 7662) and revoked (RFC 7009)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bootgrant.approval.codes import access_token, access_token_digest, device_code_digest
from bootgrant.approval.grant import DeviceGrant, Refusal
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.device_flow import ErrorCode
from bootgrant.wire.secret import Secret
from bootgrant.workflows.limits.admission import HeldPolls
from bootgrant.workflows.limits.rates import PollPace, address_key
from bootgrant.workflows.record.audit import revoked
from bootgrant.workflows.record.codes_again import CodesAgain

_PACES: Final = 200_000


@dataclass(frozen=True, slots=True)
class PollRefused:
    """The error code (RFC 8628 section 3.5), and for a denial the reason that the person gave.

    ``retry_after`` is for how many seconds a denied machine is refused.
    """

    code: ErrorCode
    reason: str = ""
    retry_after: float = 0.0


PENDING: Final = PollRefused(ErrorCode.AUTHORIZATION_PENDING)


@dataclass(frozen=True, slots=True)
class TokenIssued:
    """The access token; ``expires_in`` in whole seconds from now."""

    token: Secret
    expires_in: int
    grant_id: str


@dataclass(slots=True)
class PollGrant:
    """A machine polls for its token, and may wait for the decision; the wait ends the moment it is made.

    Talos sends each poll twice. Both get the same answer, only the first is held, and every exchange yields the same
    token.
    """

    store: GrantStore
    clock: Clock
    rules: GrantRules
    held: HeldPolls
    again: CodesAgain
    since: float = field(init=False)
    """When this server began to answer, in Unix seconds: of older codes it has not seen every request."""
    _paces: OrderedDict[str, PollPace] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.since = self.clock.now()

    async def __call__(
        self, client_id: str, code: Secret, gone: asyncio.Future[None], address: str, *, has_basic: bool = False
    ) -> TokenIssued | PollRefused:
        """Answer a token request. ``gone`` is done when its connection ends; then no token is consumed.

        ``has_basic``: it came with an Authorization header, as the first half of a pair does. Raises StoreUnavailable.
        """
        # Taken before any wait: a store that stalls must not make a patient machine look hasty.
        arrived = self.clock.steady()
        digest = device_code_digest(code)
        grant = await self.store.find_by_device_code(digest)
        if grant is None or grant.client_id != client_id:
            return PollRefused(ErrorCode.INVALID_GRANT)
        pace = self._pace(grant)
        if not pace.arrive(arrived):
            return PollRefused(ErrorCode.SLOW_DOWN)
        is_elsewhere = address_key(address) != address_key(grant.source_address)
        self.again.polled(grant, address, is_elsewhere=is_elsewhere)
        hold = self.rules.hold if pace.may_hold(has_basic=has_basic) else 0.0
        if hold <= 0 and grant.state_at(self.clock.now()) is GrantState.PENDING:
            return PENDING
        until = self.clock.steady() + hold
        while True:
            with self.store.watch_grant(grant.grant_id) as wake:
                outcome = await self._redeem(grant.grant_id, client_id, code)
                if outcome is not PENDING or hold <= 0:
                    return outcome
                gone.add_done_callback(partial(_wake, wake))
                seconds = min(until - self.clock.steady(), grant.expires_at - self.clock.now())
                if not await self.held.wait(wake, seconds) or gone.done():
                    return outcome

    def _pace(self, grant: DeviceGrant) -> PollPace:
        pace = self._paces.get(grant.grant_id)
        if pace is None:
            is_complete = grant.opened_at >= self.since
            pace = self._paces[grant.grant_id] = PollPace(self.rules.interval, is_complete=is_complete)
            if len(self._paces) > _PACES:
                self._paces.popitem(last=False)
        return pace

    async def _redeem(self, grant_id: str, client_id: str, code: Secret) -> TokenIssued | PollRefused:
        grant = await self.store.find_watched(grant_id)
        if grant is None:
            return PollRefused(ErrorCode.INVALID_GRANT)
        now = self.clock.now()
        # Nearly every poll finds a pending grant: do not compute its token.
        state = grant.state_at(now)
        if state is GrantState.PENDING:
            return PENDING
        token = access_token(code, grant.token_salt)
        digest = access_token_digest(token)

        def rule(stored: DeviceGrant) -> DeviceGrant | Refusal:
            return stored.redeem(client_id, digest, self.rules, now)

        outcome = rule(grant)
        if isinstance(outcome, DeviceGrant) and outcome != grant:
            outcome = await self.store.change_grant(grant_id, rule)
        if isinstance(outcome, Refusal):
            return _refused(outcome, grant, grant.refused_for(self.rules, now))
        return TokenIssued(token, int(outcome.token_expires_at - now), grant_id)


def _wake(wake: asyncio.Future[None], _gone: asyncio.Future[None]) -> None:
    if not wake.done():
        wake.set_result(None)


def _refused(refusal: Refusal, grant: DeviceGrant, retry_after: float) -> PollRefused:
    match refusal:
        case Refusal.PENDING:
            return PENDING
        case Refusal.DENIED:
            reason = grant.decision.reason if grant.decision and grant.state is GrantState.DENIED else ""
            return PollRefused(ErrorCode.ACCESS_DENIED, reason, retry_after)
        case Refusal.EXPIRED:
            return PollRefused(ErrorCode.EXPIRED_TOKEN)
        case _:
            return PollRefused(ErrorCode.INVALID_GRANT)


_USABLE: Final = (GrantState.REDEEMED, GrantState.DELIVERED)


@dataclass(frozen=True, slots=True)
class MachineTokens:
    """Tokens that machines have, as other services ask about them. Every method may raise StoreUnavailable."""

    store: GrantStore
    clock: Clock
    rules: GrantRules

    async def find(self, token: Secret) -> DeviceGrant | None:
        """Return the grant of a token, whether the token still works or not."""
        return await self.store.find_by_token(access_token_digest(token))

    async def active(self, token: Secret) -> DeviceGrant | None:
        """Return the grant of a token that works now."""
        grant = await self.find(token)
        if grant is None or grant.state not in _USABLE or grant.token_ends_at(self.rules) <= self.clock.now():
            return None
        return grant

    async def revoke(self, token: Secret, client_id: str, *, any_token: bool) -> bool:
        """Revoke a token for a client; an unknown one counts as revoked. Return False when it is another client's.

        ``any_token``: the client may revoke the tokens of others.
        """
        grant = await self.find(token)
        if grant is None:
            return True
        if grant.client_id != client_id and not any_token:
            return False
        now = self.clock.now()
        await self.store.change_grant(
            grant.grant_id, lambda stored: stored.revoke(now), audit=revoked(now, client_id, "client")
        )
        return True
