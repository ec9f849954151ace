"""The variables of one boot, collected before any request."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.errors import BadParameter, MissingVariable
from bootgrant.acquire.facts import MachineFacts
from bootgrant.acquire.facts.variables import Variables
from support.screen import QuickClock, Screen


def variables(
    root: Path, screen: Screen | None = None, patience: float = 0.2, left: float = 60.0, **given: str
) -> Variables:
    facts, clock = MachineFacts(root, parse_cmdline(""), given), QuickClock()
    return Variables(facts, root, screen or Screen(), clock, patience, clock.steady() + left)


def test_a_variable_that_is_present_is_not_waited_for(tmp_path: Path) -> None:
    screen = Screen()
    found = variables(tmp_path, screen, uuid="U", mac="M").for_request(["uuid", "mac"])
    assert found == {"uuid": "U", "mac": "M"}
    assert screen.lines[0] == "waiting for variables: [uuid mac]"


def test_a_missing_variable_is_left_out_with_a_warning_if_another_identifies(tmp_path: Path) -> None:
    screen = Screen()
    assert variables(tmp_path, screen, uuid="U").for_request(["uuid", "serial"]) == {"uuid": "U"}
    assert "continuing without serial" in screen.warnings[0]


def test_a_machine_without_an_identity_sends_no_request(tmp_path: Path) -> None:
    with pytest.raises(MissingVariable) as caught:
        variables(tmp_path, hostname="h").for_request(["uuid", "serial", "hostname"])
    assert "no uuid and no serial" in caught.value.what
    assert "--set uuid=" in caught.value.next_step


def test_a_url_needs_all_of_its_variables(tmp_path: Path) -> None:
    with pytest.raises(MissingVariable, match="no serial"):
        variables(tmp_path, uuid="U").for_url(["uuid", "serial"])


def test_a_variable_is_waited_for_once(tmp_path: Path) -> None:
    screen = Screen()
    both = variables(tmp_path, screen, uuid="U")
    both.for_request(["uuid"])
    assert both.for_url(["uuid"]) == {"uuid": "U"}
    assert not any("URL" in line for line in screen.lines)


def test_the_wait_ends_with_the_timeout(tmp_path: Path) -> None:
    with pytest.raises(MissingVariable):
        variables(tmp_path, patience=3600.0, left=0.1).for_request(["mac"])


def test_without_variables_there_is_no_wait(tmp_path: Path) -> None:
    screen = Screen()
    assert variables(tmp_path, screen).for_request([]) == {}
    assert variables(tmp_path, screen).for_url([]) == {}
    assert screen.lines == []


def test_an_unsupported_name_is_refused_before_the_wait(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="colour"):
        variables(tmp_path, patience=3600.0).for_request(["colour"])
