"""The driver carries out the conversation's actions and reports them to the person."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bootgrant.acquire.errors import Denied, Unreachable
from bootgrant.acquire.flow.device_flow import DeviceFlow, Rules
from bootgrant.acquire.flow.driver import authorize
from bootgrant.acquire.flow.values import Broken, CodesArrived, Event, PollToken, Refused, RequestCodes, TokenArrived
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, OAuthError
from bootgrant.wire.secret import Secret
from support.screen import QuickClock, Screen

TOKEN = AccessToken(Secret("t"))
PENDING = Refused(OAuthError("authorization_pending"))
UNREACHABLE = Broken(Unreachable("cannot reach http://idp (connection refused)", "is it running?"))


def codes(user_code: str = "AB-CD", expires_in: int | None = 600) -> CodesArrived:
    return CodesArrived(
        DeviceAuthorization(Secret(user_code), user_code, "https://idp/d", expires_in=expires_in, interval=5)
    )


class Script:
    """A provider that returns one event after the other."""

    def __init__(self, *events: Event) -> None:
        self._left = list(events)
        self.polled: list[str] = []

    def request_codes(self, action: RequestCodes) -> Event:
        return self._left.pop(0)

    def poll(self, action: PollToken) -> Event:
        self.polled.append(action.device_code.reveal())
        return self._left.pop(0)


def run(events: Sequence[Event], rules: Rules | None = None) -> tuple[Screen, Script, QuickClock]:
    screen, script, clock = Screen(), Script(*events), QuickClock()
    assert authorize(DeviceFlow.begin(rules or Rules(), clock.steady()), script, screen, clock) == TOKEN
    return screen, script, clock


def test_the_code_is_shown_with_its_expiry_and_counting_stops_at_the_end() -> None:
    screen, script, _ = run([codes(), PENDING, TokenArrived(TOKEN)])
    assert [prompt.user_code for prompt in screen.prompts] == ["AB-CD"]
    assert screen.prompts[0].expires_at is not None
    assert abs(screen.prompts[0].expires_at - 1_800_000_600) < 2
    assert not screen.counting
    assert script.polled == ["AB-CD", "AB-CD"]


def test_a_code_without_a_limit_is_shown_without_expiry() -> None:
    screen, _, _ = run([codes(expires_in=None), TokenArrived(TOKEN)])
    assert screen.prompts[0].expires_at is None


def test_a_server_restart_does_not_cost_the_code() -> None:
    screen, script, clock = run([codes(), *[UNREACHABLE] * 6, TokenArrived(TOKEN)])
    assert set(script.polled) == {"AB-CD"}
    assert len(screen.prompts) == 1
    assert len(screen.warnings) == 1
    assert "cannot reach http://idp" in screen.warnings[0]
    assert all(pause <= 5.0 for pause in clock.slept)


def test_a_lasting_failure_is_reported_once_a_minute() -> None:
    screen, _, _ = run([codes(), *[UNREACHABLE] * 40, TokenArrived(TOKEN)])
    assert 2 <= len(screen.warnings) <= 4


def test_a_new_code_says_why_it_is_new() -> None:
    expired, lost = Refused(OAuthError("expired_token")), Refused(OAuthError("invalid_grant"))
    screen, _, _ = run([codes("A"), expired, codes("B"), lost, codes("C"), TokenArrived(TOKEN)])
    assert [prompt.user_code for prompt in screen.prompts] == ["A", "B", "C"]
    assert "[OAuth] the code has expired, asking for a new one" in screen.lines
    assert "[OAuth] the provider no longer knows the code, asking for a new one" in screen.lines


def test_a_denial_shows_whom_to_ask_and_when_the_next_code_comes() -> None:
    denied = Refused(OAuthError("access_denied", "wrong rack"))
    screen, _, clock = run([codes(), denied, codes(), TokenArrived(TOKEN)])
    assert "wrong rack" in screen.warnings[0]
    assert "https://idp/d" in screen.warnings[0]
    assert "asking again in 30 s" in screen.warnings[0]
    assert any(abs(pause - 30.0) < 0.1 for pause in clock.slept)


def test_a_machine_that_is_refused_for_minutes_says_so() -> None:
    refused = Refused(OAuthError("access_denied", "wrong rack; ask again in 9 min"), 521.0)
    screen, _, clock = run([refused, codes(), TokenArrived(TOKEN)])
    assert "wrong rack; ask again in 9 min" in screen.warnings[0]
    assert screen.warnings[0].endswith("; asking again in 9 min")
    assert any(abs(pause - 521.0) < 0.1 for pause in clock.slept)
    assert [prompt.user_code for prompt in screen.prompts] == ["AB-CD"]


def test_the_final_error_is_raised_and_the_countdown_stopped() -> None:
    screen, script, clock = Screen(), Script(codes(), Refused(OAuthError("access_denied"))), QuickClock()
    flow = DeviceFlow.begin(Rules(ask_again_after_denial=False), clock.steady())
    with pytest.raises(Denied):
        authorize(flow, script, screen, clock)
    assert not screen.counting
