"""People who leave: what the store remembers of sign-outs, and the sessions that are checked with their provider.

Every store method may raise StoreUnavailable (ports.grants). Times are Unix seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bootgrant.ports.people import Session


class SignOutStore(Protocol):
    """Sign-outs that all servers of a site remember for some time, by digests of what names them."""

    async def note_sign_out(self, digest: bytes, now: float, expires_at: float) -> None:
        """Remember it until ``expires_at``; again counts from ``now``. Forget those that have expired at ``now``."""

    async def sign_out_noted(self, digest: bytes, now: float) -> float | None:
        """Return when it was noted; None when it was not, or has expired."""


class SessionCheckStore(Protocol):
    """Checks of sessions with their provider: one server at a time, and each refresh token is used once."""

    async def sessions_to_check(self, via: str, checked_before: float, now: float, limit: int) -> Sequence[Session]:
        """Return sessions with a refresh token that were checked before and that no server is checking at ``now``.

        Only those of ``via``, so that no provider's sessions keep another's waiting; checked longest ago first.
        """

    async def claim_check(self, session: Session, now: float, until: float) -> bool:
        """Claim the check of a session until it is kept or released, at most until ``until``.

        Return False when another server has claimed it, when its refresh token was replaced, or when it has ended.
        """

    async def keep_check(self, session: Session, renewal: str, renewal_until: float | None, checked_at: float) -> bool:
        """Replace the refresh token of ``session`` by ``renewal``, and end the claim.

        Return False when the stored token is another one, or the session has ended.
        """

    async def release_check(self, digest: bytes) -> None:
        """End the claim without a result."""
