"""Another service asks what a token is (RFC 7662), or ends it (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.approval.codes import access_token_digest
from bootgrant.approval.grant import DeviceGrant, GrantRules, GrantState
from bootgrant.ports.grants import GrantStore
from bootgrant.ports.time import Clock
from bootgrant.wire.secret import Secret
from bootgrant.workflows.record.audit_events import revoked

_SERVING = (GrantState.REDEEMED, GrantState.DELIVERED)


@dataclass(frozen=True, slots=True)
class LookAtToken:
    store: GrantStore
    clock: Clock
    rules: GrantRules

    async def find(self, token: Secret) -> DeviceGrant | None:
        """The grant of a token, whether it serves or not. Raises StoreUnavailable."""
        return await self.store.find_by_token(access_token_digest(token))

    async def active(self, token: Secret) -> DeviceGrant | None:
        """The grant of a token that serves now; None for every other. Raises StoreUnavailable."""
        grant = await self.find(token)
        if grant is None or grant.state not in _SERVING or grant.token_ends_at(self.rules) <= self.clock.now():
            return None
        return grant

    async def revoke(self, token: Secret, client_id: str, *, any_token: bool) -> bool:
        """End the token, as the client says; False when it is another client's. An unknown one is as good as revoked.

        Raises StoreUnavailable.
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
