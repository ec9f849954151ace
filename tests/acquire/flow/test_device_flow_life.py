"""What holds in every conversation, whatever the provider answers and whenever."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bootgrant.acquire.errors import ProviderFailed, Unreachable
from bootgrant.acquire.flow.device_flow import CODE_SPACING, EXPIRY_GRACE, DeviceFlow, Rules
from bootgrant.acquire.flow.values import (
    NEVER,
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
)
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, ErrorCode, OAuthError
from bootgrant.wire.secret import Secret

_CHANCE = st.floats(0, 1, exclude_max=True)
_LATE = st.sampled_from([0.0, 0.001, 0.2, 1.0, 4.9, 5.0, 6.0, 30.0, 95.0])
# Refusals that continue the flow come first and often, so that a conversation lasts long enough to go wrong.
_PENDING = st.sampled_from(["authorization_pending", "authorization_pending", "slow_down"])
_REPLACED = st.sampled_from(["expired_token", "invalid_grant", "access_denied", "authorization_declined"])
_BUSY = st.sampled_from(["server_error", "temporarily_unavailable", "slow_down"])
_ANY = st.sampled_from([*(str(code) for code in ErrorCode), "org_internal", ""])
_DENIED = {"access_denied", "authorization_declined"}
_GONE = {"expired_token", "invalid_grant", *_DENIED}
_OVER = (Finished, Failed)


class Conversation(RuleBasedStateMachine):
    """Every rule is one possible event of the current action; the clock only moves forward."""

    flow: DeviceFlow
    now: float

    @initialize(
        timeout=st.sampled_from([10800.0, 900.0, 60.0, 0.0]),
        pause=st.sampled_from([0.0, 1.0, 30.0]),
        styles=st.sampled_from([(ClientAuth.NONE,), (ClientAuth.BODY, ClientAuth.BASIC)]),
        again=st.sampled_from([True, True, False]),
    )
    def begin(self, timeout: float, pause: float, styles: tuple[ClientAuth, ...], again: bool) -> None:
        self.now = 1000.0
        self.flow = DeviceFlow.begin(Rules(timeout, pause, again, styles), self.now)
        self.codes = 0
        self.live: Secret | None = None
        self.ended_by: str | None = None
        self.live_until = 0.0
        self.said = 0.0
        self.asked_at = self.now

    def _event(self, event: Event, chance: float = 0.5) -> None:
        self.flow = self.flow.after(event, self.now, chance)
        action = self.flow.action
        if isinstance(action, RequestCodes):
            self._asks()
        elif isinstance(action, PollToken):
            assert action.device_code == self.live, "only the code on the screen is polled"
            assert self.now < self.flow.live.expires_at + EXPIRY_GRACE

    def _asks(self) -> None:
        """A new code replaces one that has ended, and codes do not change faster than a person can read them."""
        if self.live is not None:
            assert self.ended_by in _GONE or self.now >= self.live_until, "a valid code was replaced"
            if self.ended_by not in _DENIED:
                assert self.now - self.asked_at >= CODE_SPACING, "the codes change too fast"
        self.asked_at = self.now
        self.live = None

    def _is(self, *kinds: type) -> bool:
        return isinstance(self.flow.action, kinds)

    @precondition(lambda self: self._is(RequestCodes))
    @rule(late=_LATE, expires=st.sampled_from([None, 0, 1, 4, 60, 600]), interval=st.sampled_from([1, 5, 60]))
    def codes_arrive(self, late: float, expires: int | None, interval: int) -> None:
        self.now += late
        self.codes += 1
        self.live = Secret(f"code {self.codes}")
        self.live_until = self.now + expires if expires is not None else NEVER
        self.ended_by = None
        codes = DeviceAuthorization(self.live, "U", "https://idp/d", expires_in=expires, interval=interval)
        self._event(CodesArrived(codes))

    @precondition(lambda self: self._is(ShowCode))
    @rule()
    def it_is_shown(self) -> None:
        self._event(Shown())

    @precondition(lambda self: self._is(Wait))
    @rule(late=_LATE)
    def the_time_comes(self, late: float) -> None:
        assert isinstance(self.flow.action, Wait)
        self.now = max(self.now, self.flow.action.until) + late
        self._event(Waited())

    @precondition(lambda self: self._is(PollToken))
    @rule(late=_LATE, code=_PENDING | _REPLACED | _BUSY)
    def the_provider_refuses(self, late: float, code: str) -> None:
        self._refused(late, code)

    @precondition(lambda self: self._is(RequestCodes))
    @rule(late=_LATE, code=_BUSY)
    def the_provider_is_busy(self, late: float, code: str) -> None:
        self._refused(late, code)

    @precondition(lambda self: self._is(PollToken, RequestCodes) and self.codes > 2)
    @rule(late=_LATE, code=_ANY)
    def the_provider_says_anything(self, late: float, code: str) -> None:
        self._refused(late, code)

    @precondition(lambda self: self._is(PollToken, RequestCodes))
    @rule(late=_LATE, code=st.sampled_from(sorted(_DENIED)), seconds=st.sampled_from([1.0, 521.0, 1e12]))
    def the_provider_says_when_to_ask_again(self, late: float, code: str, seconds: float) -> None:
        self._refused(late, code, seconds)
        if isinstance(self.flow.action, Wait):
            assert self.flow.action.until == self.now + seconds

    def _refused(self, late: float, code: str, retry_after: float = 0.0) -> None:
        self.now += late
        self.said = retry_after
        self.ended_by = code if self._is(PollToken) else None
        self._event(Refused(OAuthError(code, "because"), retry_after))

    @precondition(lambda self: self._is(PollToken, RequestCodes))
    @rule(late=_LATE, answered=st.booleans(), retry_after=st.sampled_from([0.0, 7.0, 1e12]), chance=_CHANCE)
    def it_breaks(self, late: float, answered: bool, retry_after: float, chance: float) -> None:
        self.now += late
        held = isinstance(self.flow.action, PollToken) and self.now >= self.flow.action.give_up_at
        self._event(Broken(Unreachable("broken", "mend it"), answered, retry_after), chance)
        assert self._is(Wait) or held, "a transient error does not end the flow"

    @precondition(lambda self: self._is(PollToken) and self.codes > 2)
    @rule(late=_LATE)
    def a_token_comes(self, late: float) -> None:
        self.now += late
        self._event(TokenArrived(AccessToken(Secret("t"))))
        assert self._is(Finished)

    @precondition(lambda self: self._is(PollToken, RequestCodes) and self.codes > 2)
    @rule()
    def it_is_hopeless(self) -> None:
        self._event(Hopeless(ProviderFailed("no", "never")))
        assert self._is(Failed)

    @precondition(lambda self: self._is(*_OVER))
    @rule()
    def it_is_over(self) -> None:
        """There is no event after the end."""

    @invariant()
    def no_action_lasts_beyond_the_end(self) -> None:
        action = getattr(self, "flow", None) and self.flow.action
        if isinstance(action, Wait):
            assert action.until <= self.flow.ends_at
        elif isinstance(action, RequestCodes | PollToken):
            assert action.give_up_at <= self.flow.ends_at

    @invariant()
    def waiting_is_bounded(self) -> None:
        action = getattr(self, "flow", None) and self.flow.action
        if isinstance(action, Wait):
            assert action.until - self.now <= max(600.0, self.said)


Conversation.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestConversation = Conversation.TestCase
