"""Where the tokens of programs live. A token is shown once; what is kept is its digest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.operators import Label, Role


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is known of a token. Times are Unix seconds; ``created_by`` is an Actor as a text.

    ``owner`` is the operator whose it is; empty for a program's that belongs to nobody.
    """

    name: str
    digest: bytes
    role: Role
    labels: tuple[Label, ...]
    created_at: float
    created_by: str
    expires_at: float
    used_at: float | None = None
    owner: str = ""


class ApiTokenStore(Protocol):
    """Every method may raise StoreUnavailable (ports.grant_store)."""

    async def add_token(self, token: ApiToken) -> bool:
        """False when there is a token of this name."""

    async def tokens(self) -> Sequence[ApiToken]:
        """All of them, expired ones too, by name."""

    async def find_token(self, digest: bytes) -> ApiToken | None: ...

    async def touch_token(self, digest: bytes, used_at: float) -> None: ...

    async def remove_token(self, name: str) -> bool:
        """Forget a token: it opens nothing any more. False when there is none of this name."""
