"""Armed windows: for some time, a number of the selected machines are approved without a person."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.nearest import why_nothing_fits
from bootgrant.approval.operators import VIA_ADMIN_SOCKET, Actor, Label, Refused, Right, Role
from bootgrant.approval.policy import Selector, Vocabulary, Window
from bootgrant.ports.configurations import ConfigSource, ConfigUnavailable
from bootgrant.ports.grants import WindowStore
from bootgrant.ports.time import Clock, Entropy

LONGEST: Final = 7 * 86400.0
"""Seconds that a window may stay open."""

MOST: Final = 10_000
"""Machines that a window may approve."""

_FORCE: Final = (
    'Correct the selector, or add the entries first. To arm it anyway, use --force ("force": true in the API)'
)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_KEPT: Final = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window as a person writes it: selectors of which one must match, networks (or their names), kinds of evidence
    that must confirm the machine, duration in seconds, number of machines. ``name`` defaults to the window's id.

    ``forced``: also if no entry fits the selectors.
    """

    select: tuple[str, ...]
    seconds: float
    count: int
    networks: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    name: str = ""
    forced: bool = False


@dataclass(frozen=True, slots=True)
class FitsNothing(Refused):
    """No entry fits the selectors of a window. It can be forced; ``problem`` is the reason only."""

    problem: str


@dataclass(frozen=True, slots=True)
class ArmWindow:
    """``vocabulary`` has the names that conditions may use; ``changed`` is called after windows have changed.

    Changes return once they are durable. Every method may raise StoreUnavailable.
    """

    store: WindowStore
    source: ConfigSource
    clock: Clock
    entropy: Entropy
    vocabulary: Vocabulary
    changed: Callable[[], None]

    async def arm(self, wanted: WindowRequest, actor: Actor) -> Window | Refused:
        """Open a window. One that no entry fits is only opened when that is ``wanted.forced``."""
        if not actor.may(Right.DECIDE):
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
        if not wanted.forced and (problem := await self._selects_nothing(conditions.select)):
            return FitsNothing(f"{problem}. {_FORCE}", problem)
        now = self.clock.now()
        window_id = self.entropy.random_bytes(4).hex()
        name = wanted.name or window_id
        if not _NAME.fullmatch(name):
            return Refused(f'{name!r} cannot be the name of a window: use letters, digits, ".", "_" and "-"')
        if any(name == each.name for each in await self.windows()):
            return Refused(f"a window named {name!r} is open already: choose another name")
        window = Window(window_id, name, conditions, actor.author, now, now + wanted.seconds, wanted.count)
        await self.store.forget_before(now - _KEPT)
        await self.store.arm(window, _event(AuditKind.ARMED, window, actor, now))
        self.changed()
        return window

    async def _selects_nothing(self, select: Sequence[Selector]) -> str:
        """Return why a selector fits no entry; empty when each fits one."""
        try:
            entries = await self.source.entries()
        except ConfigUnavailable as error:
            return f"the configurations cannot be read, so nobody knows what the selector means: {error}"
        return next((problem for selector in select if (problem := why_nothing_fits(selector, entries))), "")

    async def disarm(self, name: str, actor: Actor) -> Window | Refused:
        """Close the open window of this name or id. Its approvals stay."""
        if not actor.may(Right.DECIDE):
            return Refused("you may look, but not close windows")
        windows = await self.windows()
        named = [each for each in windows if each.window_id == name] or [each for each in windows if each.name == name]
        if not named:
            return Refused(f"no open window is named {name!r}: `bootgrant arm --list` shows them")
        window = named[0]
        if missing := beyond_limits(window.conditions.select, actor.labels):
            return Refused(f"you may only decide about machines with {missing}")
        return await self.close(window, actor) or Refused(
            f"the window {name!r} was closed by another operator just now"
        )

    async def close(self, window: Window, actor: Actor, reason: str = "") -> Window | None:
        """Close a window; return it as it was then, or None when it was closed already. The caller has checked it."""
        now, closed = self.clock.now(), []

        def event(stored: Window) -> AuditEvent:
            closed.append(stored)
            return replace(_event(AuditKind.DISARMED, stored, actor, now), reason=reason)

        if not await self.store.disarm(window.window_id, event):
            return None
        self.changed()
        return closed[-1]

    async def windows(self) -> Sequence[Window]:
        """Return the open windows, oldest first."""
        now = self.clock.now()
        return [window for window in await self.store.windows() if window.is_open(now)]


def may_close(window: Window, actor: Actor) -> bool:
    """Return whether this person may close the window."""
    return actor.may(Right.DECIDE) and not beyond_limits(window.conditions.select, actor.labels)


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
            return not role.has(Right.DECIDE) or bool(beyond_limits(window.conditions.select, labels))

        await self._close(f"the operator {name} can no longer arm it", is_beyond)

    async def signed_out(self, name: str, why: str) -> None:
        """Close the windows of this operator, who was signed out at the provider; ``why`` is for the audit."""
        await self._close(why, lambda window: window.author.is_operator(name))

    async def of_token(self, name: str) -> None:
        """Close the windows that were armed with this API token."""
        await self._close(f"the token {name} was revoked", lambda window: window.author.token == name)

    async def _close(self, why: str, affected: Callable[[Window], bool]) -> None:
        now = self.clock.now()

        def event(window: Window) -> AuditEvent:
            details: dict[str, str | int] = {"window": window.window_id, "name": window.name, "by": window.by}
            return AuditEvent(now, AuditKind.DISARMED, reason=why, details=details)

        for window in await self.store.windows():
            if affected(window):
                await self.store.disarm(window.window_id, event if window.is_open(now) else None)
