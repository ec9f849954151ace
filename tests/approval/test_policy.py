"""Selectors, conditions, and what no rule may do."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.evidence import Check, Verdict, confirms, is_clean, worst_first
from bootgrant.approval.policy import (
    BadSelector,
    Conditions,
    Vocabulary,
    needed_approvals,
    parse_selector,
    person_needed,
)
from bootgrant.ports.configurations import MachineEntry

WORKER = MachineEntry("rack4-worker-7", "mac", {"role": "worker", "site": "fra"}, machine_type="worker")
GOOD = Check("network", Verdict.MATCH, "as expected")
NOT_KNOWN = Check("inventory", Verdict.UNKNOWN, "names no mac")
BAD = Check("history", Verdict.MISMATCH, "got cp-1 yesterday")


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("site=fra", True),
        ("site=fra,role=worker", True),
        ("site=fra,role=controlplane", False),
        ("rack4-*", True),
        ("rack4-*,site=ams", False),
        ("rack?-worker-[0-9]", True),
        ("site=*", True),
        ("rack=*", False),
        ("*", True),
        ("worker", False),
    ],
)
def test_a_selector_fits_when_every_term_does(text: str, fits: bool) -> None:
    assert parse_selector(text).matches(WORKER) is fits


@pytest.mark.parametrize("text", ["", ",", "site=fra,", "=fra", "site=", "a\nb", ",".join("a" * 17)])
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(BadSelector):
        parse_selector(text)


@given(st.text(max_size=60))
def test_a_selector_is_read_back_as_it_was_written(text: str) -> None:
    try:
        selector = parse_selector(text)
    except BadSelector:
        return
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("address", "evidence", "told"),
    [
        ("10.20.4.7", ("network",), ""),
        ("::ffff:10.20.4.7", (), ""),
        ("10.21.0.1", (), "10.21.0.1 is in none of its networks"),
        ("nowhere", (), "nowhere is in none of its networks"),
        ("10.20.4.7", ("network", "inventory"), "inventory does not speak for it"),
        ("10.20.4.7", ("bmc",), "bmc does not speak for it"),
    ],
)
def test_conditions_say_what_is_missing(address: str, evidence: tuple[str, ...], told: str) -> None:
    conditions = Conditions((parse_selector("site=fra"),), (ipaddress.ip_network("10.20.0.0/16"),), evidence)
    assert conditions.obstacle(WORKER, address, [GOOD, NOT_KNOWN]) == told


def test_unknown_never_counts_as_match() -> None:
    assert not confirms("inventory", [NOT_KNOWN])
    assert confirms("network", [GOOD, Check("network", Verdict.UNKNOWN, "")])
    assert not confirms("network", [GOOD, Check("network", Verdict.MISMATCH, "")])
    assert is_clean([GOOD, NOT_KNOWN])
    assert worst_first([GOOD, NOT_KNOWN, BAD]) == (BAD, NOT_KNOWN, GOOD)


@pytest.mark.parametrize(
    ("entry", "needed"),
    [
        (WORKER, 1),
        (MachineEntry("cp-1", "uuid", machine_type="controlplane"), 2),
        (MachineEntry("cp-1", "uuid", machine_type="init"), 2),
        (MachineEntry("vault", "uuid", approvals=2), 2),
        (MachineEntry("cp-1", "uuid", machine_type="controlplane", approvals=3), 3),
        (MachineEntry("odd", "uuid", approvals=0), 1),
    ],
)
def test_how_many_people_an_entry_needs(entry: MachineEntry, needed: int) -> None:
    assert needed_approvals(entry) == needed
    assert bool(person_needed(entry, [])) is (needed > 1)


def test_a_mismatch_needs_a_person_whatever_the_rule_asks_for() -> None:
    assert person_needed(WORKER, [GOOD, BAD]) == "history speaks against it: got cp-1 yesterday"
    assert person_needed(WORKER, [GOOD, NOT_KNOWN]) == ""


def test_conditions_use_the_names_of_the_site() -> None:
    words = Vocabulary({"rack4": (ipaddress.ip_network("10.20.4.0/24"),)}, frozenset({"bmc"}))
    read = words.conditions(["site=fra"], ["rack4", "fd00::/8"], ["bmc", "network"])
    assert [str(network) for network in read.networks] == ["10.20.4.0/24", "fd00::/8"]
    for networks, evidence in ((["rack5"], []), ([], ["ipmi"])):
        with pytest.raises(ValueError, match=r"rack5|ipmi"):
            words.conditions(["site=fra"], networks, evidence)
    with pytest.raises(BadSelector):
        words.conditions([], [], [])
