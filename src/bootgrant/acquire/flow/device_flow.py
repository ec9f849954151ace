"""The conversation with the provider (RFC 8628) as a value that requests actions; no I/O, no clock, no entropy.

    flow = DeviceFlow.begin(rules, now)
    while not isinstance(flow.action, Finished | Failed):
        flow = flow.after(what_happened(flow.action), now, chance)

One token request per poll; a code that a person may be typing survives every transient error; an expired or lost code
is replaced at once, but not faster than a person could use it; after a denial there is a pause, as long as the
provider says. Times are seconds on one steady clock; ``chance`` is a number in [0, 1) that spreads machines that failed
together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from bootgrant.acquire.clock import backoff
from bootgrant.acquire.errors import AcquireError, Denied, ProviderFailed, TimedOut
from bootgrant.acquire.flow import values
from bootgrant.wire.device_flow import SLOW_DOWN_STEP, DeviceAuthorization, ErrorCode, OAuthError

REQUEST_LIMIT: Final = 30.0
"""Seconds for a request that the provider answers at once."""
HOLD_LIMIT: Final = 90.0
"""Seconds for a token request, which the provider may hold (bootgrant's own server does so for up to 25)."""
EXPIRY_GRACE: Final = 5.0
"""Seconds for the last poll, sent when the code expires here, because the provider's clock decides."""
FIRST_BACKOFF: Final = 0.25
MAX_BACKOFF: Final = 5.0
CODE_SPACING: Final = 5.0
"""Seconds between two requests for codes, doubled while codes keep ending early."""
MAX_CODE_SPACING: Final = 300.0
MAX_DENIAL_PAUSE: Final = 600.0
MAX_RETRY_AFTER: Final = 300.0

# Other names that providers use.
_DENIED: Final = frozenset({ErrorCode.ACCESS_DENIED, "authorization_declined"})
_EXPIRED: Final = frozenset({ErrorCode.EXPIRED_TOKEN, "code_expired"})
_LOST: Final = frozenset(
    {ErrorCode.INVALID_GRANT, "bad_verification_code", "incorrect_device_code", "invalid_device_code"}
)
# Some (glewlwyd) answer unauthorized_client to a secret that was sent in the wrong place.
_WRONG_STYLE: Final = frozenset({ErrorCode.INVALID_CLIENT, ErrorCode.UNAUTHORIZED_CLIENT})
_BUSY: Final = frozenset({ErrorCode.SERVER_ERROR, ErrorCode.TEMPORARILY_UNAVAILABLE, "rate_limit_exceeded"})


class OutOfStepError(RuntimeError):
    """An event that is impossible for the current action: the caller's mistake."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decides. Times are in seconds; ``auth`` are the styles of authentication to try, in order."""

    timeout: float = 3 * 3600.0
    retry_pause: float = 30.0
    ask_again_after_denial: bool = True
    auth: tuple[values.ClientAuth, ...] = (values.ClientAuth.NONE,)


@dataclass(frozen=True, slots=True)
class LiveCode:
    """The current codes, when they expire and how often to poll (seconds)."""

    codes: DeviceAuthorization
    expires_at: float
    interval: float


@dataclass(frozen=True, slots=True)
class DeviceFlow:
    """One authorization, from the first request for codes to a token or an error. Create it with ``begin``."""

    rules: Rules
    ends_at: float
    action: values.Action
    asked_at: float
    why: values.WhyCodes = values.WhyCodes.FIRST
    code: LiveCode | None = None
    auth: int = 0
    polled_at: float = 0.0
    failures: int = 0
    denials: int = 0
    early_ends: int = 0
    failure: AcquireError | None = None

    @classmethod
    def begin(cls, rules: Rules, now: float) -> DeviceFlow:
        """Start a flow; its first action is to request codes."""
        ends_at = now + rules.timeout
        first = values.RequestCodes(rules.auth[0], values.WhyCodes.FIRST, min(now + REQUEST_LIMIT, ends_at))
        return cls(rules, ends_at, first, asked_at=now)

    def after(self, event: values.Event, now: float, chance: float = 0.5) -> DeviceFlow:
        """Return the flow after ``event``, the outcome of its action. Raises OutOfStepError if that is impossible."""
        step = TRANSITIONS.get((type(self.action), type(event)))
        if step is None:
            raise OutOfStepError(f"{type(event).__name__} after {type(self.action).__name__}")
        return step(self, event, now, chance)

    @property
    def live(self) -> LiveCode:
        """The current code. Raises OutOfStepError if there is none."""
        if self.code is None:
            raise OutOfStepError("there is no current code")
        return self.code


def _codes_arrived(flow: DeviceFlow, event: values.CodesArrived, now: float, _chance: float) -> DeviceFlow:
    codes = event.codes
    expires_at = values.NEVER if codes.expires_in is None else now + codes.expires_in
    code = LiveCode(codes, expires_at, float(codes.interval))
    return replace(flow, code=code, failures=0, failure=None, action=values.ShowCode(codes, expires_at))


def _shown(flow: DeviceFlow, _event: values.Shown, now: float, _chance: float) -> DeviceFlow:
    return _wait(flow, now, flow.live.interval, values.WhyWait.INTERVAL)


def _waited(flow: DeviceFlow, _event: values.Waited, now: float, _chance: float) -> DeviceFlow:
    if now >= flow.ends_at:
        return _fail(flow, _out_of_time(flow))
    if flow.code is None:
        return _request_codes(flow, now)
    ends = flow.code.expires_at
    if now >= ends + EXPIRY_GRACE or (now >= ends and flow.polled_at >= ends):
        return _new_code(flow, values.WhyCodes.EXPIRED, now)
    return _poll(flow, now)


def _token_arrived(flow: DeviceFlow, event: values.TokenArrived, _now: float, _chance: float) -> DeviceFlow:
    return replace(flow, action=values.Finished(event.token))


def _codes_refused(flow: DeviceFlow, event: values.Refused, now: float, chance: float) -> DeviceFlow:
    error = event.error
    if error.code in _WRONG_STYLE and flow.auth + 1 < len(flow.rules.auth):
        return _request_codes(replace(flow, auth=flow.auth + 1), now)
    if error.code in _BUSY or error.code == ErrorCode.SLOW_DOWN:
        return _broken(flow, values.Broken(_refusal(error), answered=True), now, chance)
    # An address that may never ask gets the same code, but no time after which it may.
    if error.code in _DENIED and (event.retry_after > 0 or flow.denials > 0):
        return _denied(flow, event, now)
    return _fail(flow, _refusal(error))


def _poll_refused(flow: DeviceFlow, event: values.Refused, now: float, chance: float) -> DeviceFlow:
    error = event.error
    if error.code == ErrorCode.AUTHORIZATION_PENDING:
        return _pending(flow, now)
    if error.code == ErrorCode.SLOW_DOWN:
        return _slow_down(flow, now)
    if error.code in _DENIED:
        return _denied(flow, event, now)
    if error.code in _EXPIRED:
        return _new_code(flow, values.WhyCodes.EXPIRED, now)
    if _is_lost(error):
        return _new_code(flow, values.WhyCodes.LOST, now)
    if error.code in _WRONG_STYLE and flow.auth + 1 < len(flow.rules.auth):
        return _poll(replace(flow, auth=flow.auth + 1), now)
    if error.code in _BUSY:
        return _broken(flow, values.Broken(_refusal(error), answered=True), now, chance)
    return _fail(flow, _refusal(error))


def _is_lost(error: OAuthError) -> bool:
    """Whether the provider no longer knows the code. Dex answers invalid_request with a description."""
    unknown_to_dex = error.code == ErrorCode.INVALID_REQUEST and "invalid device code" in error.description.lower()
    return error.code in _LOST or unknown_to_dex


def _broken(flow: DeviceFlow, event: values.Broken, now: float, chance: float) -> DeviceFlow:
    """Back off and keep the code. After a broken connection the pause is short; an answer counts as a poll.

    A poll that lasted until its limit was held by the provider, which is not a failure: nobody has decided yet.
    """
    if isinstance(flow.action, values.PollToken) and now >= flow.action.give_up_at and not event.answered:
        return _pending(flow, now)
    pause = backoff(FIRST_BACKOFF, MAX_BACKOFF, flow.failures, chance)
    if event.answered and flow.code is not None:
        pause += flow.code.interval
    pause = max(pause, min(event.retry_after, MAX_RETRY_AFTER))
    why = flow.why if flow.code is not None else values.WhyCodes.AGAIN
    failed = replace(flow, failures=flow.failures + 1, failure=event.error, why=why)
    return _wait(failed, now, pause, values.WhyWait.TROUBLE, event.error)


def _hopeless(flow: DeviceFlow, event: values.Hopeless, _now: float, _chance: float) -> DeviceFlow:
    return _fail(flow, event.error)


def _pending(flow: DeviceFlow, now: float) -> DeviceFlow:
    """Poll again at once if the provider held the request for an interval."""
    recovered = replace(flow, failures=0, failure=None)
    if now - flow.polled_at >= flow.live.interval or now >= flow.live.expires_at:
        return _waited(recovered, values.Waited(), now, 0.0)
    return _wait(recovered, now, flow.live.interval, values.WhyWait.INTERVAL)


def _slow_down(flow: DeviceFlow, now: float) -> DeviceFlow:
    slower = replace(flow.live, interval=flow.live.interval + SLOW_DOWN_STEP)
    return _wait(replace(flow, code=slower, failures=0, failure=None), now, slower.interval, values.WhyWait.INTERVAL)


def _poll(flow: DeviceFlow, now: float) -> DeviceFlow:
    code = flow.live
    limit = min(now + HOLD_LIMIT, max(now, code.expires_at) + EXPIRY_GRACE, flow.ends_at)
    action = values.PollToken(code.codes.device_code, flow.rules.auth[flow.auth], limit)
    return replace(flow, action=action, polled_at=now)


def _request_codes(flow: DeviceFlow, now: float) -> DeviceFlow:
    limit = min(now + REQUEST_LIMIT, flow.ends_at)
    return replace(flow, action=values.RequestCodes(flow.rules.auth[flow.auth], flow.why, limit), asked_at=now)


def _new_code(flow: DeviceFlow, why: values.WhyCodes, now: float) -> DeviceFlow:
    """Request another code, at once unless the last one ended before anybody could have typed it."""
    ended_early = now - flow.asked_at < CODE_SPACING
    spacing = min(MAX_CODE_SPACING, CODE_SPACING * 2.0 ** min(flow.early_ends, 16))
    early_ends = flow.early_ends + 1 if ended_early else 0
    fresh = replace(flow, code=None, why=why, early_ends=early_ends, failures=0, failure=None)
    if not ended_early:
        return _request_codes(fresh, now)
    return _wait(fresh, now, flow.asked_at + spacing - now, values.WhyWait.SPACING)


def _denied(flow: DeviceFlow, event: values.Refused, now: float) -> DeviceFlow:
    """Pause as long as the provider says, or else longer with each denial, and then request a new code."""
    reason = f" ({event.error.description})" if event.error.description else ""
    where = f" at {flow.code.codes.verification_uri}" if flow.code else ""
    error = Denied(f"a person denied this machine{reason}", f"ask the people who approve machines{where}")
    pause = min(MAX_DENIAL_PAUSE, flow.rules.retry_pause * 2.0 ** min(flow.denials, 16))
    pause = event.retry_after or pause
    if not flow.rules.ask_again_after_denial or now + pause >= flow.ends_at:
        return _fail(flow, error)
    pausing = replace(flow, code=None, why=values.WhyCodes.DENIED, denials=flow.denials + 1, failure=error)
    return _wait(pausing, now, pause, values.WhyWait.DENIED, error)


def _wait(
    flow: DeviceFlow, now: float, pause: float, why: values.WhyWait, error: AcquireError | None = None
) -> DeviceFlow:
    """Pause, but not past the end of the flow or the expiry of the code, when the last poll is due."""
    until = min(now + pause, flow.ends_at)
    if flow.code is not None and now < flow.code.expires_at:
        until = min(until, flow.code.expires_at)
    return replace(flow, action=values.Wait(until, why, error))


def _fail(flow: DeviceFlow, error: AcquireError) -> DeviceFlow:
    return replace(flow, action=values.Failed(error))


def _out_of_time(flow: DeviceFlow) -> AcquireError:
    if flow.failure is not None:
        return flow.failure
    return TimedOut("nobody approved this machine in time", "start again and approve the code while it is shown")


def _refusal(error: OAuthError) -> ProviderFailed:
    advice: Mapping[str, str] = {
        ErrorCode.INVALID_CLIENT: "check talos.config.oauth.client_id and client_secret against the provider",
        ErrorCode.UNAUTHORIZED_CLIENT: "allow the device flow for this client at the provider",
        ErrorCode.UNSUPPORTED_GRANT_TYPE: "enable the device flow at the provider",
        ErrorCode.INVALID_SCOPE: "check talos.config.oauth.scope against the provider",
        ErrorCode.INVALID_REQUEST: "check the talos.config.oauth parameters: one is missing or not accepted",
    }
    next_step = advice.get(error.code, "check the provider's log for this request")
    return ProviderFailed(f"the provider refuses ({error})", next_step)


_Step = Callable[[DeviceFlow, Any, float, float], DeviceFlow]

TRANSITIONS: Final[Mapping[tuple[type[values.Action], type[values.Event]], _Step]] = {
    (values.RequestCodes, values.CodesArrived): _codes_arrived,
    (values.RequestCodes, values.Refused): _codes_refused,
    (values.RequestCodes, values.Broken): _broken,
    (values.RequestCodes, values.Hopeless): _hopeless,
    (values.ShowCode, values.Shown): _shown,
    (values.Wait, values.Waited): _waited,
    (values.PollToken, values.TokenArrived): _token_arrived,
    (values.PollToken, values.Refused): _poll_refused,
    (values.PollToken, values.Broken): _broken,
    (values.PollToken, values.Hopeless): _hopeless,
}
