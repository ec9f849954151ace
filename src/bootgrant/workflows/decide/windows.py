"""Armed windows: for some time, a number of the selected machines are approved without a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Actor, Label, Role
from bootgrant.approval.policy import Selector, Vocabulary, Window
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.decisions import WindowStore
from bootgrant.ports.time import Clock, Entropy

LONGEST: Final = 7 * 86400.0
"""Seconds that a window may be open."""

MOST: Final = 10_000
"""Machines that a window may let in."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEPT: Final = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window as somebody writes it: selectors of which one must fit, networks or their names, evidence that must
    speak for the machine, how long (seconds), for how many. Without ``name`` its id is its name."""

    select: tuple[str, ...]
    seconds: float
    count: int
    networks: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class NotArmed:
    """Why nothing changed, as one line for a person."""

    message: str


@dataclass(frozen=True, slots=True)
class ArmWindow:
    """``vocabulary`` are the names that selectors may use; ``changed`` is told when windows were armed."""

    store: WindowStore
    audit: AuditLog
    clock: Clock
    entropy: Entropy
    vocabulary: Vocabulary
    changed: Callable[[], None]

    async def arm(self, wish: WindowRequest, actor: Actor) -> Window | NotArmed:
        """Open a window. Returns once it is durable. Raises StoreUnavailable."""
        seconds, count = wish.seconds, wish.count
        if not actor.role.is_at_least(Role.APPROVER):
            return NotArmed("you may look, not decide")
        if not 0 < seconds <= LONGEST:
            return NotArmed(f"a window is open for at most {LONGEST / 86400:.0f} days")
        if not 1 <= count <= MOST:
            return NotArmed(f"a window lets in 1 to {MOST} machines")
        try:
            conditions = self.vocabulary.conditions(wish.select, wish.networks, wish.evidence)
        except ValueError as error:
            return NotArmed(str(error))
        if missing := beyond_limits(conditions.select, actor.labels):
            return NotArmed(f"you may decide about machines with {missing} only: put that into the selector")
        now = self.clock.now()
        window_id = self.entropy.random_bytes(4).hex()
        name = wish.name or window_id
        if not _NAME.fullmatch(name) or any(name == each.name for each in await self.windows()):
            return NotArmed(f"{name!r} is no name for a window, or one that is open has it: take another one")
        window = Window(window_id, name, conditions, actor.author, now, now + seconds, count)
        await self.store.forget_before(now - _KEPT)
        await self.store.arm(window)
        await self.audit.append([_event(AuditKind.ARMED, window, actor, now)])
        self.changed()
        return window

    async def disarm(self, name: str, actor: Actor) -> Window | NotArmed:
        """Close the open window of this name or id. What it let in stays let in. Raises StoreUnavailable."""
        if not actor.role.is_at_least(Role.APPROVER):
            return NotArmed("you may look, not decide")
        window = next((each for each in await self.windows() if name in (each.window_id, each.name)), None)
        if window is None:
            return NotArmed(f"no window {name!r} is open: `bootgrant arm --list` shows them")
        if missing := beyond_limits(window.conditions.select, actor.labels):
            return NotArmed(f"you may decide about machines with {missing} only")
        await self.store.disarm(window.window_id)
        await self.audit.append([_event(AuditKind.DISARMED, window, actor, self.clock.now())])
        self.changed()
        return window

    async def windows(self) -> Sequence[Window]:
        """Those that are open, oldest first. Raises StoreUnavailable."""
        now = self.clock.now()
        return [window for window in await self.store.windows() if window.is_open(now)]


def beyond_limits(select: Sequence[Selector], limits: Sequence[Label]) -> str:
    """The limits of a person that a selector leaves; empty when it keeps to them."""
    keys = {limit.key for limit in limits}
    for selector in select:
        said = dict(selector.labels)
        for key in sorted(keys):
            allowed = {limit.value for limit in limits if limit.key == key}
            if said.get(key) not in allowed:
                return " or ".join(f"{key}={value}" for value in sorted(allowed))
    return ""


def _event(kind: AuditKind, window: Window, actor: Actor, at: float) -> AuditEvent:
    details: dict[str, str | int] = {
        "window": window.window_id,
        "name": window.name,
        "select": " or ".join(map(str, window.conditions.select)),
        "networks": ", ".join(map(str, window.conditions.networks)),
        "evidence": ", ".join(window.conditions.evidence),
        "until": round(window.until),
        "count": window.count,
        "used": window.used,
    }
    return AuditEvent(at=at, kind=kind, actor=str(actor), via=actor.via, details=details)


@dataclass(frozen=True, slots=True)
class CloseWindows:
    """Closes the windows of somebody who loses rights; their approvals stay. All may raise StoreUnavailable."""

    store: WindowStore
    audit: AuditLog
    clock: Clock

    async def of_operator(self, name: str) -> None:
        """Close the windows that this person armed, whichever way they came, also with their own tokens."""
        await self._close(f"the operator {name} was disabled", lambda window: window.author.is_operator(name))

    async def beyond(self, name: str, role: Role, labels: tuple[Label, ...]) -> None:
        """Close the windows of this person that they could not arm with this role and these limits.

        Windows armed over the admin socket stay: they needed no operator.
        """

        def is_beyond(window: Window) -> bool:
            if not window.author.is_operator(name) or window.author.via == VIA_ADMIN_SOCKET:
                return False
            return not role.is_at_least(Role.APPROVER) or bool(beyond_limits(window.conditions.select, labels))

        await self._close(f"the operator {name} may not arm it any more", is_beyond)

    async def of_token(self, name: str) -> None:
        """Close the windows that were armed with this API token."""
        await self._close(f"the token {name} was revoked", lambda window: window.author.token == name)

    async def _close(self, why: str, affected: Callable[[Window], bool]) -> None:
        now = self.clock.now()
        for window in await self.store.windows():
            if affected(window) and await self.store.disarm(window.window_id) and window.is_open(now):
                details: dict[str, str | int] = {"window": window.window_id, "name": window.name, "by": window.by}
                await self.audit.append([AuditEvent(now, AuditKind.DISARMED, reason=why, details=details)])
