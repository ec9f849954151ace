"""Which entry a machine gets and why, and ties."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.pattern import PatternError, common, pattern
from bootgrant.machines.site.selection import Match, Selector, Tie, ties
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.grants import MAC, UUID


def entry(name: str, **match: str | list[str]) -> Entry:
    values = {key: [given] if isinstance(given, str) else given for key, given in match.items()}
    return Entry(name, {key: tuple(pattern(key, one) for one in ones) for key, ones in values.items()})


def chosen(entries: list[Entry], identity: MachineIdentity) -> str:
    found = Selector(entries).select(identity)
    return found.entry.name if isinstance(found, Match) else "tie" if isinstance(found, Tie) else ""


@pytest.mark.parametrize(
    ("stronger", "weaker"),
    [
        ({"uuid": UUID}, {"serial": "SN1", "mac": MAC}),
        ({"serial": "SN1"}, {"mac": MAC, "hostname": "node"}),
        ({"mac": MAC}, {"hostname": "node", "serial": "SN*"}),
        ({"hostname": "node"}, {"serial": "SN?", "mac": "52:2f:fd:df:fc:*"}),
        ({"mac": "52:2f:fd:*"}, {"mac": "52:2f:*"}),
        ({"serial": "S?1"}, {"serial": "S*1"}),
        ({"serial": "SN*", "mac": "*"}, {"serial": "SN*"}),
        ({"serial": "SN*"}, {"mac": "52*"}),
        ({"uuid": UUID, "mac": "52:*"}, {"uuid": UUID}),
    ],
)
def test_the_more_specific_entry_wins_in_any_order(stronger: dict[str, str], weaker: dict[str, str]) -> None:
    machine = MachineIdentity(UUID, "SN1", MAC, "node")
    one, other = entry("stronger", **stronger), entry("weaker", **weaker)
    assert chosen([one, other], machine) == chosen([other, one], machine) == "stronger"


def test_every_variable_must_match_one_of_its_values() -> None:
    entries = [entry("rack", serial=["SN1", "SN2"], mac="52:2f:*")]
    assert chosen(entries, MachineIdentity(serial="SN2", mac=MAC)) == "rack"
    assert chosen(entries, MachineIdentity(serial="SN3", mac=MAC)) == ""
    assert chosen(entries, MachineIdentity(serial="SN1")) == ""


def test_a_variable_that_is_not_reported_matches_no_pattern() -> None:
    assert chosen([entry("any", mac="*")], MachineIdentity(uuid=UUID)) == ""


def test_a_uuid_matches_in_either_byte_order_and_any_spelling() -> None:
    entries = [entry("cp", uuid=swapped_uuid(UUID).upper())]
    assert chosen(entries, MachineIdentity(uuid=UUID)) == "cp"
    assert chosen([entry("cp", uuid="40dcbd19-*")], MachineIdentity(uuid=swapped_uuid(UUID))) == "cp"
    assert chosen([entry("cp", mac="52-2F-FD-*")], MachineIdentity(mac=MAC)) == "cp"


def test_an_entry_without_match_is_never_selected() -> None:
    assert chosen([entry("profile")], MachineIdentity(UUID, "SN1", MAC)) == ""


def test_equally_specific_entries_are_a_tie() -> None:
    entries = [entry("a", mac="52:2f:*"), entry("b", mac="52:2?:*"), entry("c", mac="52:2f:*")]
    found = Selector(entries).select(MachineIdentity(mac=MAC))
    assert isinstance(found, Tie)
    assert "a and c" in found.message


def test_every_entry_is_explained() -> None:
    entries = [entry("cp", uuid=UUID), entry("spare", mac="52:*"), entry("other", serial="SN9"), entry("p")]
    verdicts = {verdict.entry.name: verdict for verdict in Selector(entries).explain(MachineIdentity(UUID, "SN1", MAC))}
    assert verdicts["cp"].is_chosen
    assert verdicts["cp"].why == "it matches by uuid"
    assert verdicts["spare"].why == "it matches by mac 52:*, but cp is more specific: uuid"
    assert verdicts["other"].why == "its serial is SN9, and the machine's is SN1"
    assert "p" not in verdicts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"uuid": UUID}, {"uuid": swapped_uuid(UUID)}),
        ({"serial": ["A", "B"]}, {"serial": ["B", "C"]}),
        ({"mac": "52:54:*"}, {"mac": "52:5*:0*"}),
        ({"uuid": "40dc*"}, {"uuid": "*51fd"}),
        ({"mac": "52:*:01"}, {"mac": "52:54:*"}),
        ({"mac": MAC, "serial": "S*"}, {"mac": [MAC], "serial": "*S"}),
    ],
)
def test_a_possible_tie_is_reported_with_an_example(one: dict[str, str], other: dict[str, str]) -> None:
    entries = [replace(entry("one", **one), line=4), replace(entry("other", **other), line=9)]
    found = ties(entries)
    assert [finding.rule for finding in found] == ["tie"]
    assert "a machine with" in found[0].message
    assert (found[0].line, found[0].entry) in {(4, "one"), (9, "other")}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"uuid": UUID}, {"serial": "SN1"}),
        ({"uuid": UUID}, {"uuid": UUID.replace("4", "5")}),
        ({"serial": "A*"}, {"serial": "B*"}),
        ({"mac": "52:54:*"}, {"mac": "52:55:*"}),
        ({"serial": "A*"}, {"mac": "5*"}),
        ({"mac": MAC, "serial": "A"}, {"mac": MAC, "serial": "B"}),
    ],
)
def test_entries_that_differ_are_not_a_tie(one: dict[str, str], other: dict[str, str]) -> None:
    assert ties([entry("one", **one), entry("other", **other)]) == []


_WORDS = st.text("ab*?", min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(one=_WORDS, other=_WORDS, text=st.text("ab", min_size=1, max_size=6))
def test_a_common_value_matches_both_patterns(one: str, other: str, text: str) -> None:
    left, right = pattern("serial", one), pattern("serial", other)
    shared = common(left, right)
    if shared is not None:
        assert left.matches(shared)
        assert right.matches(shared)
    elif left.matches(text):
        assert not right.matches(text)


@settings(max_examples=100, deadline=None)
@given(one=_WORDS, other=_WORDS, text=st.text("ab", min_size=1, max_size=6))
def test_entries_without_a_reported_tie_never_tie(one: str, other: str, text: str) -> None:
    entries = [entry("one", serial=one), entry("other", serial=other)]
    if not ties(entries):
        assert chosen(entries, MachineIdentity(serial=text)) != "tie"


_MATCHES = st.fixed_dictionaries(
    {"serial": st.lists(_WORDS, min_size=1, max_size=2)},
    optional={"hostname": st.lists(_WORDS, min_size=1, max_size=2)},
)


@settings(max_examples=150, deadline=None)
@given(
    matches=st.lists(_MATCHES, max_size=5),
    serial=st.text("ab", min_size=1, max_size=4),
    hostname=st.text("ab", min_size=1, max_size=4),
)
def test_many_entries_without_a_reported_tie_never_tie(
    matches: list[dict[str, list[str]]], serial: str, hostname: str
) -> None:
    entries = [entry(f"e{at}", **match) for at, match in enumerate(matches)]
    if not ties(entries):
        assert chosen(entries, MachineIdentity(serial=serial, hostname=hostname)) != "tie"


@pytest.mark.parametrize(
    ("match", "tied"),
    [
        ({"mac": "52:54:*", "hostname": "node-{:04d}"}, 0),
        ({"mac": "52:54:*", "hostname": "node-{:04d}*"}, 0),
        ({"hostname": "*-{:04d}"}, 0),
        ({"hostname": "*-{:04d}-*"}, 1999),
        ({"mac": "52:54:*"}, 1999),
    ],
)
def test_ties_among_two_thousand_entries_are_found_quickly(match: dict[str, str], tied: int) -> None:
    entries = [entry(f"e{at}", **{name: text.format(at) for name, text in match.items()}) for at in range(2000)]
    before = time.process_time()
    assert len(ties(entries)) == tied
    assert time.process_time() - before < 5


@pytest.mark.parametrize("text", ["*" * 50 + "b", "a*" * 60 + "b", "?*" * 60 + "b"])
def test_no_pattern_takes_long_to_match(text: str) -> None:
    assert not pattern("serial", text).matches("a" * 256)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("uuid", "nope"),
        ("uuid", "0" * 32),
        ("mac", "zz:*"),
        ("mac", "52:54"),
        ("mac", "52:*:5"),
        ("uuid", "*x*"),
        ("serial", "none"),
        ("serial", "x" * 300),
    ],
)
def test_a_value_that_no_machine_can_have_is_rejected(variable: str, text: str) -> None:
    with pytest.raises(PatternError):
        pattern(variable, text)
