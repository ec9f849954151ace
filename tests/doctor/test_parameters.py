"""Problems with the kernel parameters are reported before any request."""

from __future__ import annotations

import pytest

from bootgrant.doctor.findings import Level
from bootgrant.doctor.parameters import examine_parameters, own_identity
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
def test_a_trap_is_reported(more: str, code: str) -> None:
    assert code in codes(line("https://boot.example.org", more))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("quiet", "no-config-source"),
        ("talos.platform=metal talos.config=https://boot.example.org/config", "no-oauth"),
        (f"talos.platform=metal talos.config=metal-iso {OAUTH}client_id=talos", "nothing-to-ask"),
        (f"talos.config=tftp://boot/x {OAUTH}client_id=talos", "bad-parameter"),
        (f"talos.config=https://boot:99999/x {OAUTH}client_id=talos", "bad-url"),
        ("talos.platform=nocloud talos.config=https://boot.example.org/config", "other-platform"),
    ],
)
def test_parameters_that_request_nothing_are_an_error_and_make_no_machine(text: str, code: str) -> None:
    machine, found = examine_parameters(text, ME)
    assert machine is None
    assert code in [each.code for each in found if each.level is Level.ERROR]


@pytest.mark.parametrize("platform", ["", "talos.platform=nocloud", "talos.platform=aws talos.platform=metal"])
def test_a_line_that_talos_ignores_is_an_error_and_the_servers_are_still_checked(platform: str) -> None:
    text = line("https://boot.example.org").replace("talos.platform=metal", platform)
    machine, found = examine_parameters(text, ME)
    assert machine is not None
    (wrong,) = [each for each in found if each.level is Level.ERROR]
    assert wrong.code == ("other-platform" if platform else "no-platform")


def test_another_linux_needs_no_platform() -> None:
    text = line("https://boot.example.org").removeprefix("talos.platform=metal ")
    _, found = examine_parameters(text, ME, for_talos=False)
    assert [each.code for each in found] == ["parameters"]


def test_valid_parameters_are_reported_as_valid_and_make_a_machine() -> None:
    machine, found = examine_parameters(line("https://boot.example.org"), ME)
    assert machine is not None
    assert machine.config.target == f"/config?uuid={ME['uuid']}"
    assert machine.sent_variables() == {"uuid": ME["uuid"], "mac": ME["mac"]}
    assert [(each.code, each.level) for each in found] == [("parameters", Level.OK)]
    assert list(machine.endpoints()) == ["device endpoint, token endpoint, configuration"]


def test_only_the_missing_endpoint_is_reported_as_guessed() -> None:
    oauth = f"{OAUTH}client_id=talos {OAUTH}extra_variable=uuid {OAUTH}device_auth_url=https://boot.example.org/codes"
    _, found = examine_parameters(f"talos.config=https://boot.example.org/x?uuid=${{uuid}} {oauth}", ME)
    (guessed,) = [each for each in found if each.code == "guessed-endpoints"]
    assert guessed.message == "talos.config.oauth.token_url missing: Talos guesses /token?uuid=${uuid}"


def test_an_unknown_variable_is_not_sent() -> None:
    seen = examined(cmdline=lambda url: line(url, f"{OAUTH}extra_variable=uuid,serial"))
    assert seen.found("comma-list").level is Level.ERROR
    assert sorted(seen.asked[1].form) == ["client_id", "mac", "uuid"]


def test_an_invalid_authority_on_the_command_line_is_an_error() -> None:
    assert "bad-parameter" in examined(cmdline=lambda url: line(url, "talos.config.early=AAAA")).bad()
