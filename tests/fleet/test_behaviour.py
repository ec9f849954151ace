from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from bootgrant.acquire.flow.values import Broken, ClientAuth, CodesArrived, Hopeless, PollToken, Refused, TokenArrived
from bootgrant.fleet.behaviour import AcquireProgram, Paths, TalosNode
from bootgrant.fleet.exchange import Answer, ExchangeFailed
from bootgrant.fleet.scenario import Run
from bootgrant.wire.device_flow import AccessToken
from bootgrant.wire.secret import Secret

IDENTITY = Run("0a1b2c3d").identity(3)
PATHS = Paths("boot.example:8080", "/device/code?uuid=${uuid}", "/token", "/config?uuid=${uuid}&m=${mac}", "talos:1")
CODES = (
    b'{"device_code":"d","user_code":"BCDF-GHJK","verification_uri":"http://x/device","expires_in":600,"interval":1}'
)


@pytest.fixture
def talos() -> TalosNode:
    return TalosNode(PATHS, IDENTITY)


@pytest.fixture
def program() -> AcquireProgram:
    return AcquireProgram(PATHS, IDENTITY)


def poll(auth: ClientAuth) -> PollToken:
    return PollToken(Secret("device code/1"), auth, 0.0)


def head_and_form(request: bytes) -> tuple[list[str], dict[str, list[str]]]:
    head, _, body = request.decode().partition("\r\n\r\n")
    return head.split("\r\n"), parse_qs(body, strict_parsing=True)


def test_talos_requests_codes_without_a_secret_and_leaves_the_query_unexpanded(talos: TalosNode) -> None:
    head, form = head_and_form(talos.device_request())
    assert head[0] == "POST /device/code?uuid=${uuid} HTTP/1.1"
    assert head[-2:] == ["Accept-Encoding: gzip", "Connection: close"]
    assert not any(line.startswith("Authorization") for line in head)
    assert list(form) == ["client_id", "mac", "serial", "uuid"]


def test_talos_sends_the_first_request_of_a_poll_with_an_empty_password(talos: TalosNode) -> None:
    first, form = head_and_form(talos.token_request(poll(ClientAuth.EMPTY_BASIC)))
    second, same = head_and_form(talos.token_request(poll(ClientAuth.BODY)))
    assert "Authorization: Basic dGFsb3MlM0ExOg==" in first
    assert not any(line.startswith("Authorization") for line in second)
    assert form == same
    assert form["device_code"] == ["device code/1"]


def test_a_machine_expands_its_configuration_url_and_sends_its_token(talos: TalosNode, program: AcquireProgram) -> None:
    token = AccessToken(Secret("t0ken"))
    for request in (talos.config_request(token), program.config_request(token)):
        head = request.decode().split("\r\n")
        assert head[0] == f"GET /config?uuid={IDENTITY.uuid}&m={IDENTITY.mac.replace(':', '%3A')} HTTP/1.1"
        assert "Authorization: Bearer t0ken" in head


def test_talos_gives_up_where_acquire_retries(talos: TalosNode, program: AcquireProgram) -> None:
    for outcome in (ExchangeFailed("connection reset"), Answer(503, b"busy")):
        assert isinstance(talos.token_event(outcome), Hopeless)
        assert isinstance(program.token_event(outcome), Broken)
    denied = Answer(400, b'{"error":"access_denied"}')
    assert isinstance(talos.token_event(denied), Hopeless)
    assert isinstance(program.token_event(denied), Refused)


def test_both_understand_codes_tokens_and_pending(talos: TalosNode, program: AcquireProgram) -> None:
    for machine in (talos, program):
        assert isinstance(machine.codes_event(Answer(200, CODES)), CodesArrived)
        assert isinstance(machine.token_event(Answer(400, b'{"error":"authorization_pending"}')), Refused)
        assert isinstance(machine.token_event(Answer(200, b'{"access_token":"x"}')), TokenArrived)


def test_a_poll_that_talos_itself_times_out_does_not_end_the_flow(talos: TalosNode) -> None:
    assert isinstance(talos.token_event(ExchangeFailed("no answer in time", timed_out=True)), Broken)


def test_pauses_are_those_of_real_machines(talos: TalosNode, program: AcquireProgram) -> None:
    assert [talos.download_pause(count, 0.0) for count in (1, 2, 3, 4)] == [0.0, 1.0, 3.0, 7.0]
    assert talos.restart_pause(1, 0.5) == 0.5
    assert talos.restart_pause(50, 0.5) == 60.0
    assert program.download_pause(1, 1.0) == 0.5
    assert program.download_pause(60, 1.0) == 30.0
