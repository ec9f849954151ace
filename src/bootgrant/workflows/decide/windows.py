"""Armed windows: for some time, a number of the selected machines are approved without a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Actor, Label, Refused, Role
from bootgrant.approval.policy import Selector, Vocabulary, Window
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.grants import WindowStore
from bootgrant.ports.time import Clock, Entropy

LONGEST: Final = 7 * 86400.0
"""Seconds that a window may stay open."""

MOST: Final = 10_000
"""Machines that a window may approve."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEPT: Final = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window as a person writes it: selectors of which one must match, networks (or their names), kinds of evidence
    that must confirm the machine, duration in seconds, number of machines. ``name`` defaults to the window's id."""

    select: tuple[str, ...]
    seconds: float
    count: int
    networks: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class ArmWindow:
    """``vocabulary`` has the names that conditions may use; ``changed`` is called after windows have changed.

    Changes return once they are durable. Every method may raise StoreUnavailable.
    """

    store: WindowStore
    audit: AuditLog
    clock: Clock
    entropy: Entropy
    vocabulary: Vocabulary
    changed: Callable[[], None]

    async def arm(self, wanted: WindowRequest, actor: Actor) -> Window | Refused:
        """Open a window."""
        if not actor.role.is_at_least(Role.APPROVER):
            return Refused("you may look, but not arm windows")
        if not 0 < wanted.seconds <= LONGEST:
            return Refused(f"a window can be open for at most {LONGEST / 86400:.0f} days")
        if not 1 <= wanted.count <= MOST:
            return Refused(f"a window can approve 1 to {MOST} machines")
        try:
            conditions = self.vocabulary.conditions(wanted.select, wanted.networks, wanted.evidence)
        except ValueError as error:
            return Refused(str(error))
        if missing := beyond_limits(conditions.select, actor.labels):
            return Refused(f"you may only decide about machines with {missing}: add that to the selector")
        now = self.clock.now()
        window_id = self.entropy.random_bytes(4).hex()
        name = wanted.name or window_id
        if not _NAME.fullmatch(name):
            return Refused(f'{name!r} cannot be the name of a window: use letters, digits, ".", "_" and "-"')
        if any(name == each.name for each in await self.windows()):
            return Refused(f"a window named {name!r} is open already: choose another name")
        window = Window(window_id, name, conditions, actor.author, now, now + wanted.seconds, wanted.count)
        await self.store.forget_before(now - _KEPT)
        await self.store.arm(window)
        await self.audit.append([_event(AuditKind.ARMED, window, actor, now)])
        self.changed()
        return window

    async def disarm(self, name: str, actor: Actor) -> Window | Refused:
        """Close the open window of this name or id. Its approvals stay."""
        if not actor.role.is_at_least(Role.APPROVER):
            return Refused("you may look, but not close windows")
        window = next((each for each in await self.windows() if name in (each.window_id, each.name)), None)
        if window is None:
            return Refused(f"no open window is named {name!r}: `bootgrant arm --list` shows them")
        if missing := beyond_limits(window.conditions.select, actor.labels):
            return Refused(f"you may only decide about machines with {missing}")
        await self.store.disarm(window.window_id)
        await self.audit.append([_event(AuditKind.DISARMED, window, actor, self.clock.now())])
        self.changed()
        return window

    async def windows(self) -> Sequence[Window]:
        """Return the open windows, oldest first."""
        now = self.clock.now()
        return [window for window in await self.store.windows() if window.is_open(now)]


def beyond_limits(select: Sequence[Selector], limits: Sequence[Label]) -> str:
    """Return the limit of a person that a selector goes beyond, as "site=ams or site=fra"; empty when none does."""
    keys = {limit.key for limit in limits}
    for selector in select:
        required = dict(selector.labels)
        for key in sorted(keys):
            allowed = {limit.value for limit in limits if limit.key == key}
            if required.get(key) not in allowed:
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
    """Closes the windows of a person who loses rights; what the windows approved stays.

    All methods may raise StoreUnavailable.
    """

    store: WindowStore
    audit: AuditLog
    clock: Clock

    async def of_operator(self, name: str) -> None:
        """Close the windows that this operator armed, whichever way they signed in, also with their own tokens."""
        await self._close(f"the operator {name} was disabled", lambda window: window.author.is_operator(name))

    async def beyond(self, name: str, role: Role, labels: tuple[Label, ...]) -> None:
        """Close the windows of this operator that they could not arm with this role and these limits.

        Windows armed over the admin socket stay: they needed no operator.
        """

        def is_beyond(window: Window) -> bool:
            if not window.author.is_operator(name) or window.author.via == VIA_ADMIN_SOCKET:
                return False
            return not role.is_at_least(Role.APPROVER) or bool(beyond_limits(window.conditions.select, labels))

        await self._close(f"the operator {name} can no longer arm it", is_beyond)

    async def of_token(self, name: str) -> None:
        """Close the windows that were armed with this API token."""
        await self._close(f"the token {name} was revoked", lambda window: window.author.token == name)

    async def _close(self, why: str, affected: Callable[[Window], bool]) -> None:
        now = self.clock.now()
        for window in await self.store.windows():
            if affected(window) and await self.store.disarm(window.window_id) and window.is_open(now):
                details: dict[str, str | int] = {"window": window.window_id, "name": window.name, "by": window.by}
                await self.audit.append([AuditEvent(now, AuditKind.DISARMED, reason=why, details=details)])
