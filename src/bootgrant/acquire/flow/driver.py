"""The driver: carries out the actions of a conversation, and reports them on the console."""

from __future__ import annotations

from typing import Protocol, Self, assert_never

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.console import Console, Prompt, RepeatedWarning
from bootgrant.acquire.flow import values
from bootgrant.wire.device_flow import AccessToken


class Endpoints(Protocol):
    """The provider's two endpoints; ``Provider`` calls them over a network."""

    def request_codes(self, action: values.RequestCodes) -> values.Event:
        """Send a device authorization request."""

    def poll(self, action: values.PollToken) -> values.Event:
        """Send a token request."""


class Conversation(Protocol):
    """A flow in progress: ``DeviceFlow``, or another one with the same actions."""

    @property
    def action(self) -> values.Action:
        """The action to carry out."""

    def after(self, event: values.Event, now: float, chance: float) -> Self:
        """The conversation after ``event``, the outcome of that action."""


def authorize(flow: Conversation, provider: Endpoints, console: Console, clock: Clock) -> AccessToken:
    """Run ``flow`` to its end. Returns the token, or raises the AcquireError with which the flow ends."""
    report = _Reporter(console, clock)
    try:
        while True:
            action = flow.action
            event: values.Event
            match action:
                case values.Finished():
                    return action.token
                case values.Failed():
                    raise action.error
                case values.RequestCodes():
                    report.requesting(action)
                    event = provider.request_codes(action)
                case values.ShowCode():
                    report.code(action)
                    event = values.Shown()
                case values.Wait():
                    report.pause(action)
                    clock.sleep_until(action.until)
                    event = values.Waited()
                case values.PollToken():
                    event = provider.poll(action)
                case _:
                    assert_never(action)
            flow = flow.after(event, clock.steady(), clock.chance())
    finally:
        console.prompt_over()


class _Reporter:
    """Reports the conversation on the console."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._warning = RepeatedWarning(console, clock)

    def requesting(self, action: values.RequestCodes) -> None:
        self._console.prompt_over()
        if action.why is values.WhyCodes.EXPIRED:
            self._console.info("[OAuth] the code has expired, asking for a new one")
        elif action.why is values.WhyCodes.LOST:
            self._console.info("[OAuth] the provider no longer knows the code, asking for a new one")

    def code(self, action: values.ShowCode) -> None:
        codes = action.codes
        left = None if action.expires_at == values.NEVER else action.expires_at - self._clock.steady()
        expires_at = None if left is None else self._clock.unix() + left
        self._console.prompt(
            Prompt(codes.user_code, codes.verification_uri, codes.verification_uri_complete, expires_at)
        )
        self._warning.reset()

    def pause(self, action: values.Wait) -> None:
        seconds = _spoken(action.until - self._clock.steady())
        if action.why is values.WhyWait.SPACING:
            self._console.prompt_over()
            ended = "the code became invalid before anyone could enter it"
            self._console.warning(f"[OAuth] {ended}, asking for a new one in {seconds}")
        elif action.error is None:
            return
        elif action.why is values.WhyWait.DENIED:
            self._console.prompt_over()
            self._console.warning(f"[OAuth] {action.error}; asking again in {seconds}")
        else:
            self._warning.warn(action.error.what, f"[OAuth] {action.error.what}, trying again in {seconds}")


def _spoken(seconds: float) -> str:
    """Format a pause as ``30 s`` or, from two minutes on, ``9 min``."""
    return f"{max(0.1, seconds):.1f}".removesuffix(".0") + " s" if seconds < 120 else f"{round(seconds / 60)} min"
