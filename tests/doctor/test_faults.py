"""One thing is wrong with a server: the doctor reports it, and what to do about it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from bootgrant.doctor.findings import Level
from bootgrant.wire.device_flow import ErrorCode
from support.answering_server import Asked, http, reply
from support.examined import PENDING, Given, HealthyServer, examined, pending

HTML = http(200, b"<!DOCTYPE html><title>Sign in</title>", Content_Type="text/html")
TOKEN = {"access_token": "AT", "token_type": "Bearer"}


def found(server: HealthyServer, code: str) -> Level:
    """Return the level of a finding, which must have a fix."""
    finding = examined(server, patience=1.0).found(code)
    assert finding.fix
    return finding.level


@pytest.mark.parametrize(
    ("codes", "code", "level"),
    [
        ({"interval": 1.5}, "codes-number", Level.ERROR),
        ({"expires_in": "600"}, "codes-number", Level.ERROR),
        ({"interval": -5}, "codes-number", Level.ERROR),
        ({"expires_in": None}, "codes-no-expiry", Level.WARNING),
        ({"expires_in": 60}, "codes-short", Level.WARNING),
        ({"verification_uri_complete": None}, "no-qr", Level.NOTE),
        ({"verification_uri_complete": f"https://h/{'x' * 120}"}, "large-qr", Level.WARNING),
        ({"verification_uri": "mailto:ana@example.org"}, "page", Level.ERROR),
        ({"device_code": None}, "codes-nonsense", Level.ERROR),
        ({"interval": 3600}, "slow-interval", Level.WARNING),
    ],
)
def test_a_code_that_nodes_or_people_cannot_use_is_reported(codes: dict[str, object], code: str, level: Level) -> None:
    assert found(HealthyServer(codes=codes), code) is level


@pytest.mark.parametrize(
    ("device", "code"),
    [
        (reply(401, {"error": "invalid_client"}), "codes-refused"),
        (reply(403, {"error": "access_denied", "error_description": "not in networks.machines"}), "codes-refused"),
        (HTML, "codes-nonsense"),
        (http(404), "codes-nonsense"),
        (http(302, Location="/elsewhere"), "codes-nonsense"),
        (reply(400, {"device_code": "d", "user_code": "u", "verification_uri": "https://h"}), "codes-status"),
    ],
)
def test_a_device_endpoint_without_a_code_is_an_error(device: bytes, code: str) -> None:
    assert found(HealthyServer(device=device), code) is Level.ERROR


@pytest.mark.parametrize(
    ("status", "error", "fix"),
    [
        (400, "unauthorized_client", "allow the device flow"),
        (401, "unauthorized_client", "make it a public client"),
        (401, "invalid_client", "check client_id"),
    ],
    ids=["grant off", "has a secret", "unknown"],
)
def test_each_refusal_of_keycloak_has_its_own_fix(status: int, error: str, fix: str) -> None:
    """As Keycloak 26.4.7 answers (tests/providers_real/test_keycloak_answers.py)."""
    finding = examined(HealthyServer(device=reply(status, {"error": error}))).found("codes-refused")
    assert finding.fix.startswith(fix)


def test_a_redirect_is_followed_as_talos_follows_it_and_is_a_warning() -> None:
    def device(asked: Asked) -> bytes:
        return http(307, Location="/device/code?again") if "?" not in asked.target else reply(200, healthy._codes())

    healthy = HealthyServer(device=device)
    assert found(healthy, "codes-redirect") is Level.WARNING


@pytest.mark.parametrize(
    ("page", "code"), [(http(404), "page"), (http(500), "page")], ids=["not there", "broken"]
)  # fmt: skip
def test_a_page_that_cannot_be_opened_is_a_warning(page: bytes, code: str) -> None:
    assert found(HealthyServer(page=page), code) is Level.WARNING


def strict(error: str = "slow_down") -> Callable[[Asked], bytes]:
    """A server that counts the second request of a pair as a poll that came too early."""
    number = count()

    def token(asked: Asked) -> bytes:
        answer = pending(asked)
        return reply(400, {"error": error}) if PENDING["error"].encode() in answer and next(number) % 2 else answer

    return token


def form_typed(asked: Asked) -> bytes:
    return reply(400, PENDING).replace(b"application/json", b"text/plain")


def careless(asked: Asked) -> bytes:
    return reply(400, PENDING)


@pytest.mark.parametrize(
    ("token", "code", "level"),
    [
        (strict(), "pairs-punished", Level.WARNING),
        (strict("invalid_client"), "token-refused", Level.ERROR),
        (reply(500, {}), "token-refused", Level.ERROR),
        (HTML, "token-refused", Level.ERROR),
        (form_typed, "token-type", Level.ERROR),
        (reply(200, TOKEN), "approved", Level.WARNING),
        (careless, "unknown-code", Level.WARNING),
        (careless, "client-mixed", Level.WARNING),
    ],
)
def test_a_token_endpoint_that_troubles_machines_is_reported(token: Given, code: str, level: Level) -> None:
    assert found(HealthyServer(token=token), code) is level


def test_a_denial_of_the_doctors_request_is_not_a_fault() -> None:
    seen = examined(HealthyServer(token=reply(400, {"error": ErrorCode.ACCESS_DENIED})))
    assert seen.found("denied").level is Level.NOTE
    assert seen.examination.pending is None


def holding(seconds: float, answer: bytes) -> Callable[[Asked], bytes]:
    def token(asked: Asked) -> bytes:
        if asked.form["device_code"] == "device-code" and asked.form["client_id"] == "talos":
            threading.Event().wait(seconds)
            return answer
        return pending(asked)

    return token


def test_a_held_request_is_fine_and_a_cut_one_is_an_error() -> None:
    seen = examined(HealthyServer(token=holding(1.05, reply(400, PENDING))))
    assert seen.found("held").level is Level.OK
    assert seen.bad() == []
    assert examined(HealthyServer(token=holding(1.05, http(504)))).found("hold-cut").level is Level.ERROR


def test_a_request_that_is_held_too_long_is_a_warning() -> None:
    assert found(HealthyServer(token=holding(1.5, reply(400, PENDING))), "held-long") is Level.WARNING


@pytest.mark.parametrize(
    ("config", "code", "level"),
    [
        (http(200, b"version: v1alpha1\n"), "no-token-open", Level.ERROR),
        (HTML, "no-token-page", Level.ERROR),
        (http(204), "no-token-empty", Level.ERROR),
        (http(200), "no-token-empty", Level.ERROR),
        (http(404, b"?"), "no-token-404", Level.WARNING),
        (http(503, b"later"), "no-token-broken", Level.ERROR),
        (http(400, b"what"), "no-token-status", Level.WARNING),
        (http(401), "no-reason", Level.NOTE),
        (http(401, b"a reason that is longer than what a console shows"), "cut-reason", Level.NOTE),
        (lambda asked: http(200 if "authorization" in asked.headers else 401, b"config: yes"), "wrong-token-open",
         Level.ERROR),
    ],
)  # fmt: skip
def test_a_configuration_without_proper_access_control_is_reported(config: Given, code: str, level: Level) -> None:
    assert found(HealthyServer(config=config), code) is level


def test_a_readable_configuration_is_not_quoted() -> None:
    assert "v1alpha1" not in str(examined(HealthyServer(config=http(200, b"version: v1alpha1\n"))).findings)


@pytest.mark.parametrize(
    ("metadata", "code", "level"),
    [
        (http(404), "no-metadata", Level.NOTE),
        (reply(200, {"issuer": "http://other"}), "other-issuer", Level.WARNING),
        (reply(200, {"issuer": "http://other"}), "no-device-flow", Level.WARNING),
        (reply(200, {"device_authorization_endpoint": "http://other/device"}), "other-endpoint", Level.WARNING),
    ],
)
def test_metadata_that_contradicts_the_parameters_is_reported(metadata: bytes, code: str, level: Level) -> None:
    assert found(HealthyServer(metadata=metadata), code) is level


def test_an_issuer_given_by_flag_must_have_metadata() -> None:
    seen = examined(HealthyServer(metadata=http(404)), issuer="SERVER/realm")
    assert seen.found("no-metadata").level is Level.WARNING


@pytest.mark.parametrize(("date", "level"), [("Fri, 15 Jan 2027 08:00:01 GMT", Level.OK),
                                             ("Fri, 15 Jan 2021 08:00:01 GMT", Level.WARNING)])  # fmt: skip
def test_the_clocks_are_compared(date: str, level: Level) -> None:
    healthy = HealthyServer()
    healthy.device = lambda _: reply(200, healthy._codes(), Date=date)
    assert examined(healthy).found("clock").level is level
