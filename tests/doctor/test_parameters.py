"""What is wrong with the parameters is said before, or without, a request."""

from __future__ import annotations

import pytest

from bootgrant.doctor.findings import Level
from bootgrant.doctor.subject import examine_parameters, own_identity
from support.examined import examined, line

ME = own_identity("a computer")
OAUTH = "talos.config.oauth."


def codes(text: str) -> list[str]:
    return [each.code for each in examine_parameters(text, ME)[1]]


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (f"{OAUTH}extra_variable=serial", "serial-wait"),
        (f"{OAUTH}extra_variable=code", "code-wait"),
        (f"{OAUTH}client_secret=s", "secret-on-cmdline"),
        (f"{OAUTH}extra_variable=uuid,mac", "comma-list"),
        ("talos.config.auth.scope=x", "auth-prefix"),
        (" ".join(f"module.parameter{number}=value" for number in range(90)), "long-cmdline"),
    ],
)
def test_a_trap_is_named(more: str, code: str) -> None:
    assert code in codes(line("https://boot.example.org", more))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("quiet", "no-config-source"),
        ("talos.config=https://boot.example.org/config", "no-oauth"),
        (f"talos.config=metal-iso {OAUTH}client_id=talos", "nothing-to-ask"),
        (f"talos.config=tftp://boot/x {OAUTH}client_id=talos", "bad-parameter"),
        (f"talos.config=https://boot:99999/x {OAUTH}client_id=talos", "nothing-to-ask"),
    ],
)
def test_where_nothing_can_be_asked_there_is_an_error_and_no_subject(text: str, code: str) -> None:
    subject, found = examine_parameters(text, ME)
    assert subject is None
    assert code in [each.code for each in found if each.level is Level.ERROR]


def test_good_parameters_are_called_good_and_name_what_is_asked() -> None:
    subject, found = examine_parameters(line("https://boot.example.org"), ME)
    assert subject is not None
    assert subject.config.target == f"/config?uuid={ME['uuid']}"
    assert subject.told() == {"uuid": ME["uuid"], "mac": ME["mac"]}
    assert [(each.code, each.level) for each in found] == [("parameters", Level.OK)]
    assert list(subject.endpoints()) == ["device endpoint, token endpoint, configuration"]


def test_only_the_endpoint_that_is_missing_is_called_guessed() -> None:
    oauth = f"{OAUTH}client_id=talos {OAUTH}extra_variable=uuid {OAUTH}device_auth_url=https://boot.example.org/codes"
    _, found = examine_parameters(f"talos.config=https://boot.example.org/x?uuid=${{uuid}} {oauth}", ME)
    (guessed,) = [each for each in found if each.code == "guessed-endpoints"]
    assert guessed.message == "talos.config.oauth.token_url not given: guessed as /token?uuid=${uuid} there"


def test_what_is_no_variable_is_not_sent() -> None:
    seen = examined(cmdline=lambda url: line(url, f"{OAUTH}extra_variable=uuid,serial"))
    assert seen.found("comma-list").level is Level.ERROR
    assert sorted(seen.asked[1].form) == ["client_id", "mac", "uuid"]


def test_an_authority_on_the_command_line_that_is_none_is_an_error() -> None:
    assert "bad-parameter" in examined(cmdline=lambda url: line(url, "talos.config.early=AAAA")).bad()
