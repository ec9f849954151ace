"""The chain of the audit: whatever is changed, left out, put in or moved is found at its first link."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.audit import (
    AuditEvent,
    AuditKind,
    ChainCheck,
    ChainedEvent,
    Head,
    chain,
    exported,
    past_of,
    read_record,
)
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.wire.identity import MachineIdentity
from support.grants import NOW, other_machine


def events(count: int = 5) -> list[AuditEvent]:
    return [AuditEvent(NOW + n, AuditKind.OPENED, grant_id=f"g{n}", identity=other_machine(n)) for n in range(count)]


def lines(records: list[ChainedEvent]) -> list[str]:
    return [exported(record.line, record.digest) for record in records]


def problem(exported_lines: list[str], noted: Head | None = None) -> str:
    check = ChainCheck(noted)
    for line in exported_lines:
        check.take_exported(line)
    broken = check.finish()
    return "" if broken is None else f"{broken.seq}: {broken.problem}"


def test_a_chain_that_nobody_touched_holds() -> None:
    assert problem(lines(list(chain(events(), Head())))) == ""


@pytest.mark.parametrize("number", range(5))
def test_a_changed_record_is_the_first_broken_link(number: int) -> None:
    exported_lines = lines(list(chain(events(), Head())))
    exported_lines[number] = exported_lines[number].replace(f"g{number}", "evil")
    assert problem(exported_lines).startswith(f"{number + 1}: its digest is not that of its content")


def test_a_record_made_anew_breaks_at_the_next_link() -> None:
    records = list(chain(events(), Head()))
    (forged,) = chain([AuditEvent(NOW, AuditKind.OPENED, grant_id="evil")], Head(1, records[0].digest))
    assert problem(lines([records[0], forged, *records[2:]])).startswith("3: its link does not fit")


@pytest.mark.parametrize(
    ("order", "told"),
    [((0, 1, 3, 4), "3: after 2 comes 4"), ((0, 2, 1), "2: after 1 comes 3"), ((0, 0), "2: after 1 comes 1")],
)
def test_what_is_missing_or_out_of_order_is_found(order: tuple[int, ...], told: str) -> None:
    exported_lines = lines(list(chain(events(), Head())))
    assert problem([exported_lines[place] for place in order]).startswith(told)


def test_a_cut_end_and_a_chain_made_anew_are_found_by_a_noted_head() -> None:
    records = list(chain(events(), Head()))
    noted = Head(5, records[-1].digest)
    assert problem(lines(records), noted) == ""
    assert problem(lines(records[:3]), noted) == "4: it ends at 3, and went on to 5 once"
    anew = list(chain([*events(4), AuditEvent(NOW, AuditKind.OPENED, grant_id="evil")], Head()))
    assert problem(lines(anew), noted) == "5: its digest is not the one that was noted: the chain was made anew"
    longer = list(chain(events(9), Head()))
    assert problem(lines(longer), noted) == ""


def test_a_beginning_that_is_missing_needs_a_seal_that_names_it() -> None:
    records = list(chain(events(), Head()))
    head = Head(5, records[-1].digest)
    assert problem(lines(records[2:])).startswith("3: the records up to 2 are missing")
    seal = AuditEvent(NOW, AuditKind.SEALED, details={"through": 2, "digest": records[1].digest})
    assert problem(lines([*records[2:], *chain([seal], head)])) == ""
    other = AuditEvent(NOW, AuditKind.SEALED, details={"through": 2, "digest": records[0].digest})
    assert problem(lines([*records[2:], *chain([other], head)])).startswith("3: the records up to 2 are missing")


TEXT = st.text(max_size=20)


@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53), 2**53)), max_size=3))
def test_a_record_is_read_back_as_it_was(actor: str, entry: str, detail: str, details: dict[str, str | int]) -> None:
    check = Check("network", Verdict.MISMATCH, detail)
    event = AuditEvent(NOW, AuditKind.DENIED, actor, entry=entry, evidence=(check,), details=details)
    (record,) = chain([event], Head())
    assert read_record(record.line).event == event
    assert json.loads(exported(record.line, record.digest))["hash"] == record.digest
    assert problem(lines([record])) == ""


@given(st.lists(st.text(max_size=60), max_size=4))
def test_arbitrary_lines_are_broken_and_nothing_else_happens(texts: list[str]) -> None:
    assert bool(problem(texts)) is bool(texts)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_arbitrary_json_is_broken_and_nothing_else_happens(value: object) -> None:
    assert problem([json.dumps(value)])


def test_the_past_of_a_machine_is_told_without_the_request_itself() -> None:
    who = MachineIdentity(serial="SN1")
    told = [
        AuditEvent(NOW, AuditKind.OPENED, grant_id="now", identity=who, address="10.0.0.1"),
        AuditEvent(NOW - 5, AuditKind.DELIVERED, grant_id="old", address="10.0.0.2", entry="cp-1", digest="ab"),
        AuditEvent(NOW - 9, AuditKind.OPENED, grant_id="old", address="10.0.0.2"),
        AuditEvent(NOW - 99, AuditKind.DENIED, actor="ana", grant_id="older", reason="not today"),
    ]
    past = past_of(told, "now")
    assert past.requests == ((NOW - 9, "10.0.0.2"),)
    assert [(done.at, done.entry) for done in past.deliveries] == [(NOW - 5, "cp-1")]
    assert past.denials == ((NOW - 99, "ana", "not today"),)
    assert past_of(told[:1], "now").is_new
