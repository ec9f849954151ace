"""The audit chain: a record that is changed, left out, inserted or moved is found at the first broken link."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.audit import (
    GENESIS,
    AuditEvent,
    AuditKind,
    ChainCheck,
    ChainedEvent,
    Head,
    PastDelivery,
    chain,
    exported,
    past_of,
    read_record,
    written_time,
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


def stored_problem(records: list[tuple[str, str]]) -> str:
    check = ChainCheck()
    for line, digest in records:
        check.take(line, digest)
    broken = check.finish()
    return "" if broken is None else f"{broken.seq}: {broken.problem}"


def test_an_untouched_chain_holds() -> None:
    records = list(chain(events(), Head()))
    assert problem(lines(records)) == ""
    assert stored_problem([(record.line, record.digest) for record in records]) == ""
    assert json.loads(records[0].line)["previous"] == GENESIS
    assert [record.seq for record in records] == [1, 2, 3, 4, 5]
    assert [read_record(record.line) for record in records] == records


def test_checked_records_are_counted() -> None:
    check = ChainCheck()
    for line in lines(list(chain(events(), Head()))):
        check.take_exported(line)
    assert check.records == 5


def test_a_record_has_sorted_members_and_only_ascii() -> None:
    """Its digest is over these bytes: another order or spelling would break every chain there is."""
    (record,) = chain([AuditEvent(NOW, AuditKind.OPENED, "\u00e4", details={"b": 1, "a": "x"})], Head())
    assert record.line == (
        '{"actor":"\\u00e4","at":"2027-01-15T08:00:00.000Z","details":{"a":"x","b":1},"kind":"opened",'
        f'"previous":"{GENESIS}","seq":1}}'
    )


def test_a_stored_record_with_other_than_ascii_was_changed() -> None:
    line = f'{{"kind":"opened","previous":"{GENESIS}","reason":"\u00e4","seq":1}}'
    assert stored_problem([(line, "")]) == "1: its digest does not match its content: it was changed"


@pytest.mark.parametrize("number", range(5))
def test_a_changed_record_is_the_first_broken_link(number: int) -> None:
    records = list(chain(events(), Head()))
    exported_lines = lines(records)
    exported_lines[number] = exported_lines[number].replace(f"g{number}", "evil")
    expected = f"{number + 1}: its digest does not match its content: it was changed"
    assert problem(exported_lines) == expected
    stored = [(record.line.replace(f"g{number}", "evil"), record.digest) for record in records]
    assert stored_problem(stored) == expected


def test_a_rewritten_record_breaks_the_next_link() -> None:
    records = list(chain(events(), Head()))
    (forged,) = chain([AuditEvent(NOW, AuditKind.OPENED, grant_id="evil")], Head(1, records[0].digest))
    assert problem(lines([records[0], forged, *records[2:]])).startswith("3: its link does not match")


@pytest.mark.parametrize(
    ("order", "expected"),
    [((0, 1, 3, 4), "3: 4 follows 2"), ((0, 2, 1), "2: 3 follows 1")],
)
def test_missing_and_reordered_records_are_found(order: tuple[int, ...], expected: str) -> None:
    exported_lines = lines(list(chain(events(), Head())))
    assert problem([exported_lines[place] for place in order]).startswith(expected)


def test_a_truncated_and_a_rewritten_chain_are_found_by_a_noted_head() -> None:
    records = list(chain(events(), Head()))
    noted = Head(5, records[-1].digest)
    assert problem(lines(records), noted) == ""
    assert problem(lines(records[:3]), noted) == "4: the chain ends at 3, but it once reached 5"
    again = list(chain([*events(4), AuditEvent(NOW, AuditKind.OPENED, grant_id="evil")], Head()))
    assert problem(lines(again), noted) == "5: its digest is not the one that was noted: the chain was rewritten"
    longer = list(chain(events(9), Head()))
    assert problem(lines(longer), noted) == ""


def test_a_missing_beginning_needs_a_seal_that_names_it() -> None:
    records = list(chain(events(), Head()))
    head = Head(5, records[-1].digest)
    assert problem(lines(records[1:])) == "2: the records up to 1 are missing and no seal names them"
    missing = "3: the records up to 2 are missing and no seal names them"
    (empty,) = chain([AuditEvent(NOW, AuditKind.SEALED, details={"note": "names nothing"})], head)
    assert problem(lines([*records[2:], empty])) == missing
    assert problem(lines(records[2:])) == missing
    for kind, through, digest, expected in (
        (AuditKind.SEALED, 2, records[1].digest, ""),
        (AuditKind.SEALED, 2, records[0].digest, missing),
        (AuditKind.SEALED, 1, records[1].digest, missing),
        (AuditKind.OPENED, 2, records[1].digest, missing),
    ):
        (seal,) = chain([AuditEvent(NOW, kind, details={"through": through, "digest": digest})], head)
        assert problem(lines([*records[2:], seal])) == expected
        stored = [(record.line, record.digest) for record in (*records[2:], seal)]
        assert stored_problem(stored) == expected


def test_nothing_after_the_first_broken_link_is_checked() -> None:
    check = ChainCheck()
    for line in ("nonsense", *lines(list(chain(events(), Head())))):
        check.take_exported(line)
    assert (check.records, check.head) == (0, Head())
    assert str(check.finish()) == "Broken(seq=1, problem='this line is not an audit record')"


def test_a_record_without_a_number_is_refused() -> None:
    assert problem(['{"hash":"","previous":1,"seq":1}']) == "1: this record lacks its number or its link"
    assert problem(['{"hash":"","previous":"","seq":"1"}']) == "1: this record lacks its number or its link"
    assert stored_problem([("[]", "")]) == "1: this row is not an audit record"


TEXT = st.text(max_size=20)


@given(TEXT, TEXT, TEXT, st.dictionaries(TEXT, st.one_of(TEXT, st.integers(-(2**53), 2**53)), max_size=3))
def test_a_record_is_read_as_it_was_written(actor: str, entry: str, detail: str, details: dict[str, str | int]) -> None:
    check = Check("network", Verdict.MISMATCH, detail)
    event = AuditEvent(NOW, AuditKind.DENIED, actor, entry=entry, evidence=(check,), details=details)
    (record,) = chain([event], Head())
    assert read_record(record.line) == record
    assert json.loads(exported(record.line, record.digest))["hash"] == record.digest
    assert problem(lines([record])) == ""


def test_every_member_of_an_event_is_recorded_and_read() -> None:
    event = AuditEvent(
        NOW + 0.1234,
        AuditKind.APPROVED,
        "ana (passkey)",
        "passkey",
        "g1",
        MachineIdentity(serial="SN1"),
        "10.0.0.1",
        "cp-1",
        "4f2c9ab",
        "ab12",
        "because",
        (Check("network", Verdict.MATCH, "as expected"),),
        {"votes": 1},
    )
    (record,) = chain([event], Head(6, "cd34"))
    assert json.loads(record.line) == {
        "at": "2027-01-15T08:00:00.123Z",
        "kind": "approved",
        "actor": "ana (passkey)",
        "via": "passkey",
        "grant": "g1",
        "machine": {"serial": "SN1"},
        "address": "10.0.0.1",
        "entry": "cp-1",
        "revision": "4f2c9ab",
        "sha256": "ab12",
        "reason": "because",
        "evidence": [{"name": "network", "verdict": "match", "detail": "as expected"}],
        "details": {"votes": 1},
        "seq": 7,
        "previous": "cd34",
    }
    assert replace(read_record(record.line).event, at=event.at) == event
    assert record.line.isascii()
    assert " " not in record.line.replace("as expected", "").replace("ana (passkey)", "")


@pytest.mark.parametrize("line", ["", "[]", "{}", '{"at":"x","kind":"opened","seq":1}', '{"at":1}', '"text"'])
def test_a_line_that_is_not_a_record_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_record(line)


def test_times_are_kept_to_the_millisecond() -> None:
    assert written_time(0.0) == "1970-01-01T00:00:00.000Z"
    assert written_time(NOW + 0.0006) == "2027-01-15T08:00:00.001Z"


@given(st.lists(st.text(max_size=60), max_size=4))
def test_arbitrary_lines_are_broken_and_nothing_else_happens(texts: list[str]) -> None:
    assert bool(problem(texts)) is bool(texts)
    assert bool(stored_problem([(text, text) for text in texts])) is bool(texts)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(st.text(), v)))
def test_arbitrary_json_is_broken_and_nothing_else_happens(value: object) -> None:
    assert problem([json.dumps(value)])


def test_the_history_of_a_machine_leaves_out_the_request_itself() -> None:
    known = [
        AuditEvent(NOW, AuditKind.OPENED, grant_id="now", address="10.0.0.1"),
        AuditEvent(NOW - 5, AuditKind.DELIVERED, grant_id="old", address="10.0.0.2", entry="cp-1", digest="ab"),
        AuditEvent(NOW - 7, AuditKind.REVOKED, actor="ben", grant_id="old"),
        AuditEvent(NOW - 8, AuditKind.APPROVED, actor="ben", grant_id="old"),
        AuditEvent(NOW - 9, AuditKind.OPENED, grant_id="old", address="10.0.0.2"),
        AuditEvent(NOW - 99, AuditKind.DENIED, actor="ana", grant_id="older", reason="not today"),
    ]
    past = past_of(known, "now")
    assert past.requests == ((NOW - 9, "10.0.0.2"),)
    assert past.deliveries == (PastDelivery(NOW - 5, "10.0.0.2", "cp-1", "ab"),)
    assert past.denials == ((NOW - 7, "ben", "the approval was revoked"), (NOW - 99, "ana", "not today"))


def test_a_machine_is_new_without_any_history() -> None:
    assert past_of([AuditEvent(NOW, AuditKind.OPENED, grant_id="now")], "now").is_new
    for kind in (AuditKind.OPENED, AuditKind.DELIVERED, AuditKind.DENIED):
        assert not past_of([AuditEvent(NOW, kind, grant_id="old")], "now").is_new
