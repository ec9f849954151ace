"""The conversation. Time is a number here, so no test waits."""

from __future__ import annotations

import itertools

import pytest

from bootgrant.acquire.errors import Denied, ProviderFailed, TimedOut, TlsFailed, Unreachable
from bootgrant.acquire.flow.device_flow import CODE_SPACING, HOLD_LIMIT, DeviceFlow, OutOfStepError, Rules
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
    WhyCodes,
    WhyWait,
)
from bootgrant.wire.device_flow import AccessToken, DeviceAuthorization, OAuthError
from bootgrant.wire.secret import Secret

CODES = DeviceAuthorization(Secret("device"), "WDJB-MJHT", "https://idp/device", expires_in=600, interval=5)
TOKEN = AccessToken(Secret("token"))
REFUSED = Unreachable("cannot reach http://idp (connection refused)", "is it running?")


def error(code: str, description: str = "", retry_after: float = 0.0) -> Refused:
    return Refused(OAuthError(code, description), retry_after)


def polling(codes: DeviceAuthorization = CODES, rules: Rules | None = None) -> DeviceFlow:
    """A flow that started at 0, showed its code at 10 and is now in its first poll."""
    flow = DeviceFlow.begin(rules or Rules(), 0.0).after(CodesArrived(codes), 10.0)
    flow = flow.after(Shown(), 10.0)
    assert isinstance(flow.action, Wait)
    flow = flow.after(Waited(), flow.action.until)
    assert isinstance(flow.action, PollToken)
    return flow


def after_wait(flow: DeviceFlow) -> DeviceFlow:
    assert isinstance(flow.action, Wait), flow.action
    return flow.after(Waited(), flow.action.until)


def test_the_flow_starts_with_a_request_for_codes() -> None:
    flow = DeviceFlow.begin(Rules(auth=(ClientAuth.BODY,)), 100.0)
    assert flow.action == RequestCodes(ClientAuth.BODY, WhyCodes.FIRST, 130.0)


def test_a_code_is_shown_with_its_expiry() -> None:
    flow = DeviceFlow.begin(Rules(), 0.0).after(CodesArrived(CODES), 10.0)
    assert flow.action == ShowCode(CODES, 610.0)


def test_a_code_without_a_limit_never_expires() -> None:
    endless = DeviceAuthorization(Secret("d"), "U", "https://idp/d")
    flow = DeviceFlow.begin(Rules(), 0.0).after(CodesArrived(endless), 10.0)
    assert flow.action == ShowCode(endless, NEVER)


def test_the_first_poll_comes_after_one_interval_and_may_be_held() -> None:
    flow = polling()
    assert flow.polled_at == 15.0
    assert flow.action == PollToken(CODES.device_code, ClientAuth.NONE, 15.0 + HOLD_LIMIT)


def test_an_approval_ends_the_flow_with_the_token() -> None:
    assert polling().after(TokenArrived(TOKEN), 16.0).action == Finished(TOKEN)


def test_pending_waits_one_interval_from_the_answer() -> None:
    flow = polling().after(error("authorization_pending"), 15.5)
    assert flow.action == Wait(20.5, WhyWait.INTERVAL)


def test_a_held_poll_is_followed_by_the_next_at_once() -> None:
    flow = polling().after(error("authorization_pending"), 40.0)
    assert isinstance(flow.action, PollToken)
    assert flow.polled_at == 40.0


def test_slow_down_adds_five_seconds_permanently() -> None:
    flow = polling().after(error("slow_down"), 15.0)
    assert flow.action == Wait(25.0, WhyWait.INTERVAL)
    flow = after_wait(flow).after(error("authorization_pending"), 25.0)
    assert flow.action == Wait(35.0, WhyWait.INTERVAL)


def test_a_lost_connection_is_tried_again_soon_with_the_same_code() -> None:
    flow = polling().after(Broken(REFUSED), 16.0, chance=0.0)
    assert flow.action == Wait(16.125, WhyWait.TROUBLE, REFUSED)
    again = after_wait(flow).action
    assert isinstance(again, PollToken)
    assert again.device_code == CODES.device_code


def test_the_pause_grows_to_five_seconds_and_is_spread_by_chance() -> None:
    flow, pauses = polling(), []
    for _ in range(8):
        flow = flow.after(Broken(REFUSED), 100.0, chance=1.0)
        assert isinstance(flow.action, Wait)
        pauses.append(flow.action.until - 100.0)
        flow = flow.after(Waited(), 100.0)
    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert flow.after(Broken(REFUSED), 100.0, chance=0.0).action == Wait(102.5, WhyWait.TROUBLE, REFUSED)


def test_an_answer_that_makes_no_sense_counts_as_a_poll() -> None:
    busy = ProviderFailed("http://idp answers with status 503", "look")
    flow = polling().after(Broken(busy, answered=True), 16.0, chance=1.0)
    assert flow.action == Wait(21.25, WhyWait.TROUBLE, busy)


def test_retry_after_is_obeyed_up_to_a_limit() -> None:
    flow = polling().after(Broken(REFUSED, retry_after=40.0), 16.0)
    assert flow.action == Wait(56.0, WhyWait.TROUBLE, REFUSED)
    flow = polling().after(Broken(REFUSED, retry_after=1e9), 16.0)
    assert flow.action == Wait(316.0, WhyWait.TROUBLE, REFUSED)


def test_an_expired_code_is_polled_once_more_and_then_replaced_at_once() -> None:
    flow = polling().after(error("authorization_pending"), 608.0)
    assert isinstance(flow.action, PollToken)
    flow = flow.after(error("authorization_pending"), 609.0)
    flow = after_wait(flow)
    assert isinstance(flow.action, PollToken)
    assert flow.polled_at == 610.0
    flow = flow.after(error("authorization_pending"), 610.5)
    assert flow.action == RequestCodes(ClientAuth.NONE, WhyCodes.EXPIRED, 640.5)


@pytest.mark.parametrize(("code", "why"), [("expired_token", WhyCodes.EXPIRED), ("invalid_grant", WhyCodes.LOST)])
def test_a_code_that_the_provider_dropped_is_replaced_at_once(code: str, why: WhyCodes) -> None:
    flow = polling().after(error(code), 20.0)
    assert flow.action == RequestCodes(ClientAuth.NONE, why, 50.0)


def test_codes_that_end_early_are_requested_more_and_more_slowly() -> None:
    dead_on_arrival = DeviceAuthorization(Secret("d"), "U", "https://idp/d", expires_in=0, interval=1)
    flow, asked = DeviceFlow.begin(Rules(), 0.0), []
    now = 0.0
    for _ in range(5):
        asked.append(now)
        flow = flow.after(CodesArrived(dead_on_arrival), now).after(Shown(), now)
        while not isinstance(flow.action, RequestCodes):
            assert isinstance(flow.action, Wait | PollToken)
            now = flow.action.until if isinstance(flow.action, Wait) else now
            flow = flow.after(Waited() if isinstance(flow.action, Wait) else error("expired_token"), now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert gaps == [CODE_SPACING, 2 * CODE_SPACING, 4 * CODE_SPACING, 8 * CODE_SPACING]


def test_each_denial_names_whom_to_ask_and_leads_to_a_longer_pause() -> None:
    flow = polling(rules=Rules(retry_pause=30.0)).after(error("access_denied", "not on my watch"), 20.0)
    assert isinstance(flow.action, Wait)
    assert (flow.action.until, flow.action.why) == (50.0, WhyWait.DENIED)
    assert isinstance(flow.action.error, Denied)
    assert "not on my watch" in flow.action.error.what
    assert "https://idp/device" in flow.action.error.next_step
    flow = after_wait(flow)
    assert isinstance(flow.action, RequestCodes)
    flow = after_wait(flow.after(CodesArrived(CODES), 50.0).after(Shown(), 50.0))
    flow = flow.after(error("access_denied"), 60.0)
    assert isinstance(flow.action, Wait)
    assert flow.action.until == 120.0


def test_after_a_denial_the_machine_waits_as_long_as_the_provider_says_and_requests_a_new_code() -> None:
    flow = polling().after(error("access_denied", "wrong rack", 600.0), 20.0)
    assert isinstance(flow.action, Wait)
    assert (flow.action.until, flow.action.why) == (620.0, WhyWait.DENIED)
    flow = after_wait(flow)
    assert isinstance(flow.action, RequestCodes)
    # An earlier bootgrant refuses it, and gives no time: the machine waits as after a denial.
    flow = flow.after(error("access_denied", "wrong rack; ask again in 1 min"), 620.0)
    assert isinstance(flow.action, Wait)
    assert (flow.action.until, flow.action.why) == (680.0, WhyWait.DENIED)
    flow = after_wait(flow).after(CodesArrived(CODES), 681.0)
    assert isinstance(flow.action, ShowCode)


def test_a_machine_that_starts_while_it_is_refused_waits_too() -> None:
    flow = DeviceFlow.begin(Rules(), 0.0).after(error("access_denied", "wrong rack; ask again in 9 min", 521.0), 1.0)
    assert isinstance(flow.action, Wait)
    assert (flow.action.until, flow.action.why) == (522.0, WhyWait.DENIED)
    assert isinstance(flow.action.error, Denied)
    assert "ask again in 9 min" in flow.action.error.what
    assert isinstance(after_wait(flow).action, RequestCodes)


def test_a_refused_machine_ends_if_the_operator_wants_that_or_no_time_is_left() -> None:
    for rules in (Rules(ask_again_after_denial=False), Rules(timeout=500.0)):
        flow = DeviceFlow.begin(rules, 0.0).after(error("access_denied", "wrong rack", 521.0), 1.0)
        assert isinstance(flow.action, Failed)
        assert isinstance(flow.action.error, Denied)


def test_a_machine_that_may_never_ask_ends() -> None:
    flow = DeviceFlow.begin(Rules(), 0.0).after(error("access_denied", "this address is not allowed"), 1.0)
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, ProviderFailed)


def test_a_denial_ends_the_flow_if_the_operator_wants_that() -> None:
    flow = polling(rules=Rules(ask_again_after_denial=False)).after(error("access_denied"), 20.0)
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, Denied)


def test_a_denial_ends_the_flow_if_no_time_is_left_for_another_code() -> None:
    flow = polling(rules=Rules(timeout=40.0, retry_pause=30.0)).after(error("access_denied"), 20.0)
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, Denied)


def test_a_flow_that_nobody_approves_times_out() -> None:
    flow = polling(rules=Rules(timeout=30.0)).after(error("authorization_pending"), 28.0)
    assert isinstance(flow.action, PollToken)
    assert flow.action.give_up_at == 30.0
    flow = after_wait(flow.after(error("authorization_pending"), 29.0))
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, TimedOut)


def test_a_poll_held_to_its_limit_is_not_a_failure() -> None:
    flow = polling().after(Broken(REFUSED), 15.0 + HOLD_LIMIT)
    assert isinstance(flow.action, PollToken)
    flow = polling(rules=Rules(timeout=30.0)).after(Broken(REFUSED), 30.0)
    assert isinstance(flow.action, Failed)
    assert isinstance(flow.action.error, TimedOut)


def test_a_failure_that_lasts_to_the_end_is_the_final_error() -> None:
    flow = DeviceFlow.begin(Rules(timeout=20.0), 0.0).after(Broken(REFUSED), 19.9)
    assert after_wait(flow).action == Failed(REFUSED)


@pytest.mark.parametrize("code", ["invalid_client", "unauthorized_client"])
def test_a_refused_client_switches_to_the_next_style_of_authentication(code: str) -> None:
    rules = Rules(auth=(ClientAuth.BODY, ClientAuth.BASIC))
    flow = DeviceFlow.begin(rules, 0.0).after(error(code), 1.0)
    assert flow.action == RequestCodes(ClientAuth.BASIC, WhyCodes.FIRST, 31.0)
    flow = after_wait(flow.after(CodesArrived(CODES), 2.0).after(Shown(), 2.0))
    assert isinstance(flow.action, PollToken)
    assert flow.action.auth is ClientAuth.BASIC
    flow = flow.after(error("invalid_client"), 8.0)
    assert isinstance(flow.action, Failed)
    assert "client_id" in flow.action.error.next_step


@pytest.mark.parametrize("code", ["unauthorized_client", "invalid_scope", "invalid_request", "org_internal"])
def test_a_refused_request_for_codes_ends_the_flow(code: str) -> None:
    flow = DeviceFlow.begin(Rules(), 0.0).after(error(code, "why"), 1.0)
    assert isinstance(flow.action, Failed)
    assert f"({code}: why)" in flow.action.error.what


@pytest.mark.parametrize("code", ["server_error", "temporarily_unavailable"])
def test_a_busy_provider_is_tried_again(code: str) -> None:
    for flow in (DeviceFlow.begin(Rules(), 0.0), polling()):
        busy = flow.after(error(code), 16.0).action
        assert isinstance(busy, Wait)
        assert busy.why is WhyWait.TROUBLE


def test_a_hopeless_failure_ends_the_flow() -> None:
    bad = TlsFailed("the certificate of https://idp is for another name", "use that name")
    for flow in (DeviceFlow.begin(Rules(), 0.0), polling()):
        assert flow.after(Hopeless(bad), 16.0).action == Failed(bad)


def test_a_failure_while_requesting_a_new_code_does_not_repeat_the_reason() -> None:
    flow = polling().after(error("expired_token"), 20.0).after(Broken(REFUSED), 21.0)
    again = after_wait(flow).action
    assert isinstance(again, RequestCodes)
    assert again.why is WhyCodes.AGAIN


@pytest.mark.parametrize("event", [Shown(), TokenArrived(TOKEN), Waited()])
def test_an_impossible_event_is_the_callers_mistake(event: Event) -> None:
    with pytest.raises(OutOfStepError):
        DeviceFlow.begin(Rules(), 0.0).after(event, 1.0)


def test_no_secret_is_in_the_repr() -> None:
    flow = polling()
    assert "device" not in repr(flow).replace("https://idp/device", "").replace("device_code", "")
