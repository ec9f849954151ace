"""Talos's conversation with the provider, as a value with the actions and events of ``device_flow.DeviceFlow``.

Each poll is two token requests (Basic with an empty password, then none), of which only the second counts. Every error
except ``authorization_pending`` and ``slow_down`` ends the flow. Only a code that expires on this machine's clock is
replaced, after a pause. Source: x/oauth2 ``deviceauth.go`` (DeviceAccessToken), Talos ``metal.go`` (retry.Constant).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bootgrant.acquire.errors import AcquireError, ExitStatus
from bootgrant.acquire.flow.device_flow import OutOfStepError
from bootgrant.acquire.flow.values import (
    NEVER,
    Action,
    Broken,
    ClientAuth,
    CodesArrived,
    Event,
    Failed,
    Finished,
    Hopeless,
    PollToken,
    Refused,
    RequestCodes,
    ShowCode,
    Shown,
    TokenArrived,
    Wait,
    Waited,
    WhyCodes,
    WhyWait,
)
from bootgrant.wire.device_flow import DEFAULT_INTERVAL, SLOW_DOWN_STEP, DeviceAuthorization, ErrorCode


class GoError(AcquireError):
    """An error in the words of the reference; ``what`` is the whole text."""

    status = ExitStatus.PROVIDER

    def __init__(self, what: str) -> None:
        super().__init__(what, "")

    def __str__(self) -> str:
        return self.what


class GoPanicError(GoError):
    """The reference crashes here."""


@dataclass(frozen=True, slots=True)
class TalosFlow:
    """One authorization as Talos does it. Create it with ``begin``. Times are in seconds on one steady clock."""

    ends_at: float
    retry_pause: float
    action: Action
    asked_at: float
    codes: DeviceAuthorization | None = None
    expires_at: float = NEVER
    interval: float = DEFAULT_INTERVAL
    ticked_at: float = 0.0

    @classmethod
    def begin(cls, timeout: float, retry_pause: float, now: float) -> TalosFlow:
        """Start a flow; its first action is to request codes."""
        return cls(now + timeout, retry_pause, RequestCodes(ClientAuth.NONE, WhyCodes.FIRST, NEVER), now)

    def after(self, event: Event, now: float, chance: float = 0.5) -> TalosFlow:
        """Return the flow after ``event``, the outcome of its action. ``Broken`` is a request that hit its deadline.

        Raises OutOfStepError if that is impossible.
        """
        step = TRANSITIONS.get((type(self.action), type(event)))
        if step is None:
            raise OutOfStepError(f"{type(event).__name__} after {type(self.action).__name__}")
        return step(self, event, now)


def _codes_arrived(flow: TalosFlow, event: CodesArrived, now: float) -> TalosFlow:
    """The expiry counts from the request, the interval from when the code is shown."""
    codes = event.codes
    expires_at = flow.asked_at + codes.expires_in if codes.expires_in else NEVER
    shown = ShowCode(codes, expires_at)
    return replace(flow, codes=codes, expires_at=expires_at, interval=codes.interval or DEFAULT_INTERVAL, action=shown)


def _shown(flow: TalosFlow, _event: Shown, now: float) -> TalosFlow:
    if flow.interval < 0:
        return replace(flow, action=Failed(GoPanicError("panic: non-positive interval for NewTicker")))
    return _tick(replace(flow, ticked_at=now), now)


def _waited(flow: TalosFlow, _event: Waited, now: float) -> TalosFlow:
    if now >= flow.ends_at:
        return replace(flow, action=Failed(GoError("timeout")))
    if flow.codes is None:
        asking = RequestCodes(ClientAuth.NONE, WhyCodes.AGAIN, NEVER)
        return replace(flow, action=asking, asked_at=now)
    if now >= flow.expires_at:
        return _start_over(flow, now)
    return _poll(replace(flow, ticked_at=_last_tick(flow, now)), ClientAuth.EMPTY_BASIC)


def _token_arrived(flow: TalosFlow, event: TokenArrived, _now: float) -> TalosFlow:
    return replace(flow, action=Finished(event.token))


def _refused(flow: TalosFlow, event: Refused, now: float) -> TalosFlow:
    if _is_probe(flow.action):
        return _poll(flow, ClientAuth.BODY)
    if event.error.code == ErrorCode.SLOW_DOWN:
        return _tick(replace(flow, interval=flow.interval + SLOW_DOWN_STEP, ticked_at=now), now)
    return _tick(flow, now)


def _hopeless(flow: TalosFlow, event: Hopeless, _now: float) -> TalosFlow:
    return _poll(flow, ClientAuth.BODY) if _is_probe(flow.action) else replace(flow, action=Failed(event.error))


def _cut_off(flow: TalosFlow, _event: Broken, now: float) -> TalosFlow:
    return _start_over(flow, now)


def _is_probe(action: Action) -> bool:
    return isinstance(action, PollToken) and action.auth is ClientAuth.EMPTY_BASIC


def _poll(flow: TalosFlow, auth: ClientAuth) -> TalosFlow:
    if flow.codes is None:
        raise OutOfStepError("there is no current code")
    return replace(flow, action=PollToken(flow.codes.device_code, auth, min(flow.expires_at, flow.ends_at)))


def _tick(flow: TalosFlow, now: float) -> TalosFlow:
    """A Go ticker: a missed tick fires at once, and the rhythm is kept."""
    due = max(now, flow.ticked_at + flow.interval)
    return replace(flow, action=Wait(min(due, flow.expires_at, flow.ends_at), WhyWait.INTERVAL))


def _last_tick(flow: TalosFlow, now: float) -> float:
    return now - (now - flow.ticked_at) % flow.interval


def _start_over(flow: TalosFlow, now: float) -> TalosFlow:
    pause = Wait(min(now + flow.retry_pause, flow.ends_at), WhyWait.INTERVAL)
    return replace(flow, codes=None, expires_at=NEVER, action=pause)


_Step = Callable[[TalosFlow, Any, float], TalosFlow]

TRANSITIONS: Final[Mapping[tuple[type[Action], type[Event]], _Step]] = {
    (RequestCodes, CodesArrived): _codes_arrived,
    (RequestCodes, Hopeless): _hopeless,
    (ShowCode, Shown): _shown,
    (Wait, Waited): _waited,
    (PollToken, TokenArrived): _token_arrived,
    (PollToken, Refused): _refused,
    (PollToken, Hopeless): _hopeless,
    (PollToken, Broken): _cut_off,
}
