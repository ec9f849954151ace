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
from bootgrant.acquire.flow import values
from bootgrant.acquire.flow.device_flow import OutOfStepError
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
    action: values.Action
    asked_at: float
    codes: DeviceAuthorization | None = None
    expires_at: float = values.NEVER
    interval: float = DEFAULT_INTERVAL
    ticked_at: float = 0.0

    @classmethod
    def begin(cls, timeout: float, retry_pause: float, now: float) -> TalosFlow:
        """Start a flow; its first action is to request codes."""
        first = values.RequestCodes(values.ClientAuth.NONE, values.WhyCodes.FIRST, values.NEVER)
        return cls(now + timeout, retry_pause, first, now)

    def after(self, event: values.Event, now: float, chance: float = 0.5) -> TalosFlow:
        """As ``DeviceFlow.after``; ``Broken`` is a request that hit its deadline. Raises OutOfStepError."""
        step = TRANSITIONS.get((type(self.action), type(event)))
        if step is None:
            raise OutOfStepError(f"{type(event).__name__} after {type(self.action).__name__}")
        return step(self, event, now)


def _codes_arrived(flow: TalosFlow, event: values.CodesArrived, now: float) -> TalosFlow:
    """The expiry counts from the request, the interval from when the code is shown."""
    codes = event.codes
    expires_at = flow.asked_at + codes.expires_in if codes.expires_in else values.NEVER
    shown = values.ShowCode(codes, expires_at)
    return replace(flow, codes=codes, expires_at=expires_at, interval=codes.interval or DEFAULT_INTERVAL, action=shown)


def _shown(flow: TalosFlow, _event: values.Shown, now: float) -> TalosFlow:
    if flow.interval < 0:
        return replace(flow, action=values.Failed(GoPanicError("panic: non-positive interval for NewTicker")))
    return _tick(replace(flow, ticked_at=now), now)


def _waited(flow: TalosFlow, _event: values.Waited, now: float) -> TalosFlow:
    if now >= flow.ends_at:
        return replace(flow, action=values.Failed(GoError("timeout")))
    if flow.codes is None:
        asking = values.RequestCodes(values.ClientAuth.NONE, values.WhyCodes.AGAIN, values.NEVER)
        return replace(flow, action=asking, asked_at=now)
    if now >= flow.expires_at:
        return _start_over(flow, now)
    last_tick = now - (now - flow.ticked_at) % flow.interval
    return _poll(replace(flow, ticked_at=last_tick), values.ClientAuth.EMPTY_BASIC)


def _token_arrived(flow: TalosFlow, event: values.TokenArrived, _now: float) -> TalosFlow:
    return replace(flow, action=values.Finished(event.token))


def _refused(flow: TalosFlow, event: values.Refused, now: float) -> TalosFlow:
    if _is_probe(flow.action):
        return _poll(flow, values.ClientAuth.BODY)
    if event.error.code == ErrorCode.SLOW_DOWN:
        return _tick(replace(flow, interval=flow.interval + SLOW_DOWN_STEP, ticked_at=now), now)
    return _tick(flow, now)


def _hopeless(flow: TalosFlow, event: values.Hopeless, _now: float) -> TalosFlow:
    if _is_probe(flow.action):
        return _poll(flow, values.ClientAuth.BODY)
    return replace(flow, action=values.Failed(event.error))


def _cut_off(flow: TalosFlow, _event: values.Broken, now: float) -> TalosFlow:
    return _start_over(flow, now)


def _is_probe(action: values.Action) -> bool:
    return isinstance(action, values.PollToken) and action.auth is values.ClientAuth.EMPTY_BASIC


def _poll(flow: TalosFlow, auth: values.ClientAuth) -> TalosFlow:
    if flow.codes is None:
        raise OutOfStepError("there is no current code")
    return replace(flow, action=values.PollToken(flow.codes.device_code, auth, min(flow.expires_at, flow.ends_at)))


def _tick(flow: TalosFlow, now: float) -> TalosFlow:
    """A Go ticker: a missed tick fires at once, and the rhythm is kept."""
    due = max(now, flow.ticked_at + flow.interval)
    return replace(flow, action=values.Wait(min(due, flow.expires_at, flow.ends_at), values.WhyWait.INTERVAL))


def _start_over(flow: TalosFlow, now: float) -> TalosFlow:
    pause = values.Wait(min(now + flow.retry_pause, flow.ends_at), values.WhyWait.INTERVAL)
    return replace(flow, codes=None, expires_at=values.NEVER, action=pause)


_Step = Callable[[TalosFlow, Any, float], TalosFlow]

TRANSITIONS: Final[Mapping[tuple[type[values.Action], type[values.Event]], _Step]] = {
    (values.RequestCodes, values.CodesArrived): _codes_arrived,
    (values.RequestCodes, values.Hopeless): _hopeless,
    (values.ShowCode, values.Shown): _shown,
    (values.Wait, values.Waited): _waited,
    (values.PollToken, values.TokenArrived): _token_arrived,
    (values.PollToken, values.Refused): _refused,
    (values.PollToken, values.Hopeless): _hopeless,
    (values.PollToken, values.Broken): _cut_off,
}
