"""Whoever is shut out, or may less than before, leaves no armed window behind, and a token that is revoked neither."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Label, Role, via_token
from bootgrant.approval.policy import Window
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.decisions import WindowStore
from bootgrant.ports.people import ApiTokenStore
from bootgrant.ports.time import Clock
from bootgrant.workflows.decide.arm_window import beyond_limits


@dataclass(frozen=True, slots=True)
class CloseWindows:
    """Every method may raise StoreUnavailable. What the windows let in stays let in."""

    store: WindowStore
    tokens: ApiTokenStore
    audit: AuditLog
    clock: Clock

    async def of_operator(self, name: str) -> None:
        """Close what a person of this name armed, whichever way they came, with their own tokens too."""
        await self._close(f"the operator {name} was disabled", name, await self._own_tokens(name))

    async def beyond(self, name: str, role: Role, labels: tuple[Label, ...]) -> None:
        """Of what a person of this name armed, close what they could not arm with this role and these limits.

        What was armed over the admin socket needed no operator, so it stays.
        """

        def is_beyond(window: Window) -> bool:
            if window.by.endswith(f"({VIA_ADMIN_SOCKET})"):
                return False
            return not role.is_at_least(Role.APPROVER) or bool(beyond_limits(window.conditions.select, labels))

        why = f"the operator {name} may not arm it any more"
        await self._close(why, name, await self._own_tokens(name), is_beyond)

    async def of_token(self, name: str) -> None:
        """Close what was armed with this API token."""
        await self._close(f"the token {name} was revoked", None, {via_token(name)})

    async def _own_tokens(self, name: str) -> Set[str]:
        return {via_token(token.name) for token in await self.tokens.tokens() if token.owner == name}

    async def _close(
        self, why: str, name: str | None, tokens: Set[str], which: Callable[[Window], bool] = lambda _: True
    ) -> None:
        """Close the windows of these ``tokens``, and those that who has this ``name`` armed without a token."""
        now = self.clock.now()
        for window in await self.store.windows():
            who, _, how = window.by.partition(" (")
            how = how.removesuffix(")")
            is_named = name is not None and who.casefold() == name.casefold() and not how.startswith(via_token(""))
            if not (is_named or how in tokens) or not which(window):
                continue
            if not await self.store.disarm(window.window_id):
                continue
            if window.is_open(now):
                details: dict[str, str | int] = {"window": window.window_id, "name": window.name, "by": window.by}
                await self.audit.append([AuditEvent(now, AuditKind.DISARMED, reason=why, details=details)])
