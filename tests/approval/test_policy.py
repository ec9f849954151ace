"""Selectors, conditions, network names, and what no rule may do."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.evidence import Check, Verdict, confirms, has_mismatch, worst_first
from bootgrant.approval.operators import Author
from bootgrant.approval.policy import (
    BadSelector,
    Conditions,
    NetworkNames,
    Vocabulary,
    Window,
    needed_approvals,
    parse_selector,
    person_needed,
)
from bootgrant.ports.configurations import MachineEntry
from support.grants import NOW

WORKER = MachineEntry("rack4-worker-7", "mac", {"role": "worker", "site": "fra"}, machine_type="worker")
MATCH = Check("network", Verdict.MATCH, "as expected")
UNKNOWN = Check("inventory", Verdict.UNKNOWN, "names no mac")
MISMATCH = Check("history", Verdict.MISMATCH, "got cp-1 yesterday")


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("site=fra", True),
        ("site=fra,role=worker", True),
        ("site=fra,role=controlplane", False),
        ("rack4-*", True),
        ("rack4-*,site=ams", False),
        ("rack4-*,*-7", True),
        ("rack4-*,*-8", False),
        ("rack?-worker-[0-9]", True),
        ("site=*", True),
        ("rack=*", False),
        ("SITE=fra", False),
        ("site=FRA", False),
        ("*", True),
        ("worker", False),
    ],
)
def test_a_selector_matches_when_every_term_does(text: str, matches: bool) -> None:
    assert parse_selector(text).matches(WORKER) is matches


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a selector"),
        (",", "is not a selector"),
        ("site=fra,", "is not a selector"),
        ("a\nb", "is not a selector"),
        (",".join("a" * 17), "is not a selector"),
        ("=fra", "without a name or value"),
        ("site=", "without a name or value"),
        ("site= ,a", "without a name or value"),
    ],
)
def test_a_text_that_is_not_a_selector_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadSelector, match=message):
        parse_selector(text)


def test_a_selector_has_at_most_sixteen_terms() -> None:
    assert parse_selector(",".join(["*"] * 16)).names == ("*",) * 16


def test_a_selector_has_its_labels_before_its_names() -> None:
    selector = parse_selector(" rack4-* , site = fra,role=a=b")
    assert (selector.labels, selector.names) == ((("site", "fra"), ("role", "a=b")), ("rack4-*",))
    assert str(selector) == "site=fra,role=a=b,rack4-*"


@given(st.text(max_size=60))
def test_a_selector_is_written_as_it_is_read(text: str) -> None:
    try:
        selector = parse_selector(text)
    except BadSelector:
        return
    assert parse_selector(str(selector)) == selector


@pytest.mark.parametrize(
    ("address", "evidence", "obstacle"),
    [
        ("10.20.4.7", ("network",), ""),
        ("::ffff:10.20.4.7", (), ""),
        ("10.21.0.1", (), "10.21.0.1 is not in its networks"),
        ("nowhere", (), "nowhere is not in its networks"),
        ("10.20.4.7", ("network", "inventory"), "inventory evidence does not confirm it"),
        ("10.20.4.7", ("bmc",), "bmc evidence does not confirm it"),
    ],
)
def test_conditions_name_the_obstacle(address: str, evidence: tuple[str, ...], obstacle: str) -> None:
    conditions = Conditions((parse_selector("site=fra"),), (ipaddress.ip_network("10.20.0.0/16"),), evidence)
    assert conditions.obstacle(WORKER, address, [MATCH, UNKNOWN]) == obstacle


def test_conditions_need_one_of_their_selectors_and_one_of_their_networks() -> None:
    networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("10.20.0.0/16"))
    conditions = Conditions((parse_selector("site=ams"), parse_selector("site=fra")), networks)
    assert conditions.obstacle(WORKER, "10.20.4.7", []) == ""
    assert Conditions((parse_selector("site=ams"),)).obstacle(WORKER, "10.20.4.7", []) == (
        "rack4-worker-7 is not selected"
    )


def test_unknown_never_counts_as_a_match() -> None:
    assert not confirms("inventory", [UNKNOWN])
    assert confirms("network", [MATCH, Check("network", Verdict.UNKNOWN, "")])
    assert not confirms("network", [MATCH, Check("network", Verdict.MISMATCH, "")])
    assert confirms("network", [MATCH, MISMATCH])
    assert not confirms("history", [MATCH, MISMATCH])


def test_only_a_mismatch_is_a_mismatch() -> None:
    assert not has_mismatch([MATCH, UNKNOWN])
    assert has_mismatch([MATCH, MISMATCH])
    assert worst_first([MATCH, UNKNOWN, MISMATCH]) == (MISMATCH, UNKNOWN, MATCH)


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
def test_an_entry_needs_a_number_of_people(entry: MachineEntry, needed: int) -> None:
    assert needed_approvals(entry) == needed
    assert person_needed(entry, []) == (f"{entry.name} needs {needed} people" if needed > 1 else "")


def test_a_mismatch_needs_a_person_whatever_the_rule_requires() -> None:
    assert person_needed(WORKER, [MATCH, MISMATCH]) == "history evidence mismatches: got cp-1 yesterday"
    assert person_needed(WORKER, [MATCH, UNKNOWN]) == ""


def test_conditions_use_the_names_of_the_site() -> None:
    words = Vocabulary({"rack4": (ipaddress.ip_network("10.20.4.0/24"),)}, frozenset({"bmc"}))
    read = words.conditions(["site=fra"], ["rack4", "fd00::/8"], ["bmc", "network"])
    assert [str(network) for network in read.networks] == ["10.20.4.0/24", "fd00::/8"]
    assert read.evidence == ("bmc", "network")
    assert read.select == (parse_selector("site=fra"),)
    with pytest.raises(ValueError, match="'rack5' is neither a network"):
        words.conditions(["site=fra"], ["rack5"], [])
    with pytest.raises(ValueError, match="no evidence named 'ipmi'; this site has bmc, history, inventory, network"):
        words.conditions(["site=fra"], [], ["bmc", "ipmi"])
    with pytest.raises(BadSelector, match="the selector is missing"):
        words.conditions([], [], [])


@pytest.mark.parametrize(
    ("now", "used", "is_open"), [(NOW + 59, 2, True), (NOW + 60, 0, False), (NOW, 3, False), (NOW - 1, 0, True)]
)
def test_a_window_is_open_until_its_end_or_its_last_place(now: float, used: int, is_open: bool) -> None:
    conditions = Conditions((parse_selector("*"),))
    assert Window("w1", "rack4", conditions, Author("ana"), NOW, NOW + 60, 3, used).is_open(now) is is_open


def test_an_address_has_the_name_of_the_smallest_network_around_it() -> None:
    names = NetworkNames(
        {
            "site": (ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd00::/8")),
            "rack4": (ipaddress.ip_network("10.20.4.0/24"),),
            "again": (ipaddress.ip_network("10.20.4.0/24"),),
        }
    )
    addresses = ("10.20.4.7", "10.20.5.7", "fd00::1", "::ffff:10.20.4.7", "10.9.9.9", "nowhere")
    assert [names.name_of(address) for address in addresses] == ["again", "site", "site", "again", "", ""]
