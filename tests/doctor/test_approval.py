"""With --approval, the doctor waits for its token and checks how long it is valid."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootgrant.doctor.findings import Level
from support.answering_server import Asked, reply
from support.examined import Examined, HealthyServer, examined, pending

TOKEN: dict[str, object] = {"access_token": "s3cret-token", "token_type": "Bearer", "expires_in": 7200}


def after(polls: int, answer: bytes) -> Callable[[Asked], bytes]:
    """Answer a machine's poll with pending, and from then on with ``answer``."""
    asked_before = 0

    def token(asked: Asked) -> bytes:
        nonlocal asked_before
        if asked.form["device_code"] != "device-code" or asked.form["client_id"] != "talos":
            return pending(asked)
        asked_before += 1
        return pending(asked) if asked_before <= polls else answer

    return token


def waited(answer: bytes, polls: int = 8) -> Examined:
    return examined(HealthyServer(token=after(polls, answer)), approval=600)


@pytest.mark.parametrize(
    ("changed", "level", "words"),
    [
        ({}, Level.OK, "valid for 7200 s"),
        ({"expires_in": 3600}, Level.OK, "valid for 3600 s"),
        ({"expires_in": 3599}, Level.WARNING, "3 hours"),
        ({"expires_in": "300"}, Level.WARNING, "valid for 300 s"),
        ({"expires_in": None}, Level.NOTE, "no expires_in"),
    ],
)
def test_the_lifetime_of_the_token_is_checked(changed: dict[str, object], level: Level, words: str) -> None:
    members = {name: value for name, value in (TOKEN | changed).items() if value is not None}
    seen = waited(reply(200, members))
    found = seen.found("token-lifetime")
    assert found.level is level
    assert words in found.message
    assert seen.found("approved").level is Level.OK
    assert seen.examination.pending is None
    assert "s3cret-token" not in str(seen.findings)
    assert not any("s3cret-token" in asked.headers.get("authorization", "") for asked in seen.asked)


def test_an_approval_amid_the_first_polls_is_checked_too() -> None:
    seen = examined(HealthyServer(token=reply(200, TOKEN | {"expires_in": 300})))
    assert seen.found("token-lifetime").level is Level.WARNING


def test_a_token_of_another_type_is_a_warning() -> None:
    assert waited(reply(200, TOKEN | {"token_type": "DPoP"})).found("token-kind").level is Level.WARNING


def test_slow_down_makes_the_doctor_wait_longer() -> None:
    seen = waited(reply(400, {"error": "slow_down"}))
    polls = [asked for asked in seen.asked if asked.target == "/token"]
    assert len(polls) < 40
    assert seen.found("not-approved").level is Level.NOTE


@pytest.mark.parametrize(
    ("answer", "code", "level"),
    [
        (reply(400, {"error": "access_denied"}), "denied", Level.NOTE),
        (reply(400, {"error": "expired_token"}), "token-refused", Level.ERROR),
        (reply(200, {"odd": 1}), "token-refused", Level.ERROR),
    ],
)
def test_the_end_without_a_token_is_reported(answer: bytes, code: str, level: Level) -> None:
    assert waited(answer).found(code).level is level


def test_without_an_approval_the_request_stays_waiting() -> None:
    seen = examined(HealthyServer(), approval=60)
    assert seen.found("not-approved").level is Level.NOTE
    assert seen.examination.pending is not None


def test_without_the_flag_it_does_not_wait() -> None:
    seen = examined(HealthyServer())
    assert not [each for each in seen.findings if each.code in ("not-approved", "token-lifetime")]
