"""Does what the conversation asks for: sends requests, shows codes, waits, and tells the person what happens."""

from __future__ import annotations

from typing import Final, Protocol, Self, assert_never

from bootgrant.acquire.clock import Clock
from bootgrant.acquire.console import Console, Prompt
from bootgrant.acquire.flow.values import (
    NEVER,
    Action,
    Event,
    Failed,
    Finished,
    PollToken,
    RequestCodes,
    ShowCode,
    Shown,
    Wait,
    Waited,
    WhyCodes,
    WhyWait,
)
from bootgrant.wire.device_flow import AccessToken

_REMIND: Final = 60.0
"""Seconds after which a trouble that goes on is told again."""


class Asks(Protocol):
    """Whoever can make the two requests; ``Provider`` over a network."""

    def request_codes(self, action: RequestCodes) -> Event:
        """Send a device authorization request."""

    def poll(self, action: PollToken) -> Event:
        """Send a token request."""


class Conversation(Protocol):
    """A flow in progress: ``DeviceFlow``, or another that asks for the same actions."""

    @property
    def action(self) -> Action:
        """What to do now."""

    def after(self, event: Event, now: float, chance: float) -> Self:
        """The conversation once ``event`` has come of it."""


def authorize(flow: Conversation, provider: Asks, console: Console, clock: Clock) -> AccessToken:
    """Run ``flow`` to its end. Returns the token or raises the AcquireError that the flow ends with."""
    tell = _Narrator(console, clock)
    try:
        while True:
            action = flow.action
            event: Event
            match action:
                case Finished():
                    return action.token
                case Failed():
                    raise action.error
                case RequestCodes():
                    tell.asking(action)
                    event = provider.request_codes(action)
                case ShowCode():
                    tell.code(action)
                    event = Shown()
                case Wait():
                    tell.pause(action)
                    clock.sleep_until(action.until)
                    event = Waited()
                case PollToken():
                    event = provider.poll(action)
                case _:
                    assert_never(action)
            flow = flow.after(event, clock.steady(), clock.chance())
    finally:
        console.prompt_over()


class _Narrator:
    """Puts the conversation into words; a trouble that goes on is told once a minute."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._told = ""
        self._told_at = 0.0

    def asking(self, action: RequestCodes) -> None:
        self._console.prompt_over()
        if action.why is WhyCodes.EXPIRED:
            self._console.info("[OAuth] the code has expired, asking for a new one")
        elif action.why is WhyCodes.LOST:
            self._console.info("[OAuth] the provider no longer knows the code, asking for a new one")

    def code(self, action: ShowCode) -> None:
        codes = action.codes
        left = None if action.expires_at == NEVER else action.expires_at - self._clock.steady()
        expires_at = None if left is None else self._clock.unix() + left
        self._console.prompt(
            Prompt(codes.user_code, codes.verification_uri, codes.verification_uri_complete, expires_at)
        )
        self._told = ""

    def pause(self, action: Wait) -> None:
        now = self._clock.steady()
        seconds = f"{max(0.1, action.until - now):.1f}".removesuffix(".0")
        if action.why is WhyWait.SPACING:
            self._console.prompt_over()
            self._console.warning(f"[OAuth] the code ended too early to be typed, asking for a new one in {seconds} s")
        elif action.error is None:
            return
        elif action.why is WhyWait.DENIED:
            self._console.prompt_over()
            self._console.warning(f"[OAuth] {action.error}; asking again in {seconds} s")
        elif action.error.what != self._told or now - self._told_at >= _REMIND:
            self._told, self._told_at = action.error.what, now
            self._console.warning(f"[OAuth] {action.error.what}, trying again in {seconds} s")
