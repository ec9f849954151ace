"""Which machine uses a token of an outside provider: the first one that came with it, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Binding:
    """``digest`` is of the token. ``delivered_at`` is the first complete delivery, None before it. Unix seconds."""

    digest: bytes
    identity_key: str
    address: str
    entry: str
    bound_at: float
    expires_at: float
    delivered_at: float | None = None


class BindingStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def bind(self, binding: Binding) -> Binding:
        """Keep it unless this token is bound already; what it is bound to."""

    async def mark_delivered(self, digest: bytes, at: float) -> None:
        """A whole configuration left; the first time counts."""

    async def forget_bindings(self, expired_before: float, limit: int) -> int:
        """Forget at most ``limit`` bindings whose tokens ended before; how many went."""
