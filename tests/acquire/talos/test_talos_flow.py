"""The conversation of the reference."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootgrant.acquire.flow.device_flow import OutOfStepError
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
from bootgrant.acquire.talos.flow import GoError, GoPanicError, TalosFlow
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, OAuthError
from bootgrant.wire.secret import Secret

CODES = DeviceAuthorization(Secret("DC"), "U", "https://idp/d", expires_in=600, interval=1)
PENDING = Refused(OAuthError("authorization_pending"))
SLOW_DOWN = Refused(OAuthError("slow_down"))
FATAL = Hopeless(GoError('oauth2: "access_denied"'))


def polling(codes: DeviceAuthorization = CODES) -> TalosFlow:
    """A flow that started at 0, showed its code at 1 and is now in its first poll, at 1 + interval."""
    flow = TalosFlow.begin(10800.0, 30.0, 0.0).after(CodesArrived(codes), 0.5).after(Shown(), 1.0)
    assert isinstance(flow.action, Wait)
    return flow.after(Waited(), flow.action.until)


def auth(flow: TalosFlow) -> ClientAuth:
    assert isinstance(flow.action, PollToken), flow.action
    return flow.action.auth


def until(flow: TalosFlow) -> float:
    assert isinstance(flow.action, Wait), flow.action
    return flow.action.until


def test_each_poll_is_two_requests_of_which_the_second_counts() -> None:
    flow = polling()
    assert auth(flow) is ClientAuth.EMPTY_BASIC
    for first in (PENDING, FATAL, SLOW_DOWN):
        second = flow.after(first, 2.0)
        assert auth(second) is ClientAuth.BODY
        assert until(second.after(PENDING, 2.0)) == 3.0


def test_a_token_on_the_first_request_ends_the_flow() -> None:
    token = AccessToken(Secret("t"))
    assert polling().after(TokenArrived(token), 2.0).action == Finished(token)


def test_any_other_error_on_the_second_request_ends_the_flow() -> None:
    assert polling().after(PENDING, 2.0).after(FATAL, 2.0).action == Failed(FATAL.error)


def test_slow_down_counts_once_a_pair_and_restarts_the_ticker() -> None:
    flow = polling().after(SLOW_DOWN, 2.0).after(SLOW_DOWN, 2.5)
    assert until(flow) == 8.5


def test_a_missed_tick_fires_at_once_and_the_rhythm_is_kept() -> None:
    flow = polling().after(PENDING, 20.0).after(PENDING, 40.3)
    assert until(flow) == 40.3
    flow = flow.after(Waited(), 40.3).after(PENDING, 40.3).after(PENDING, 40.4)
    assert until(flow) == 41.0


def test_the_expiry_counts_from_the_request_and_a_new_code_comes_after_the_pause() -> None:
    flow = polling(replace(CODES, expires_in=3)).after(PENDING, 2.0).after(PENDING, 2.1)
    assert until(flow) == 3.0
    flow = flow.after(Waited(), 3.0)
    assert until(flow) == 33.0
    assert isinstance(flow.after(Waited(), 33.0).action, RequestCodes)


def test_a_request_ends_when_the_code_expires() -> None:
    flow = polling(replace(CODES, expires_in=3))
    assert isinstance(flow.action, PollToken)
    assert flow.action.give_up_at == 3.0
    assert until(flow.after(Broken(GoError("deadline")), 3.0)) == 33.0


@pytest.mark.parametrize("expires_in", [None, 0])
def test_a_code_without_an_expiry_is_polled_forever(expires_in: int | None) -> None:
    flow = TalosFlow.begin(10800.0, 30.0, 0.0).after(CodesArrived(replace(CODES, expires_in=expires_in)), 0.5)
    assert isinstance(flow.action, ShowCode)
    assert flow.action.expires_at == NEVER


def test_the_flow_has_a_timeout() -> None:
    flow = TalosFlow.begin(2.0, 30.0, 0.0).after(CodesArrived(CODES), 0.5).after(Shown(), 1.5)
    flow = flow.after(Waited(), until(flow))
    assert isinstance(flow.action, Failed)
    assert str(flow.action.error) == "timeout"


def test_a_negative_interval_crashes_the_reference() -> None:
    flow = TalosFlow.begin(2.0, 30.0, 0.0).after(CodesArrived(replace(CODES, interval=-1)), 0.5).after(Shown(), 0.5)
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, GoPanicError)


@pytest.mark.parametrize("event", [Shown(), Waited(), PENDING])
def test_an_impossible_event_is_the_callers_mistake(event: Event) -> None:
    with pytest.raises(OutOfStepError):
        TalosFlow.begin(1.0, 1.0, 0.0).after(event, 0.0)
