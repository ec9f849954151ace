"""What a server has seen of its database, and whether a database is older than that."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.approval.audit import AuditEvent, AuditKind, ChainedEvent, Head, chain
from bootgrant.approval.epoch import (
    TAKES_AWAY,
    Acceptance,
    Recorded,
    Seen,
    Taken,
    as_json,
    lost_from,
    merged,
    read_seen,
)
from bootgrant.wire.identity import MachineIdentity

MACHINE = MachineIdentity(uuid="40dcbd19-3b10-444e-bfff-aaee44a51fda")


def records(*kinds: AuditKind, after: Head | None = None) -> list[ChainedEvent]:
    events = [AuditEvent(1000.0 + number, kind, "ana", grant_id=f"g{number}") for number, kind in enumerate(kinds)]
    return list(chain(events, after or Head()))


def head(record: ChainedEvent) -> Head:
    return Head(record.seq, record.digest)


def seen_of(chained: list[ChainedEvent]) -> Seen:
    taken = [Taken.of(record) for record in chained if record.event.kind in TAKES_AWAY]
    return Seen().after(head(chained[-1]), taken, 2000.0)


def recorded(chained: list[ChainedEvent], *acceptances: Acceptance) -> Recorded:
    newest, oldest = (head(chained[-1]), chained[0].seq) if chained else (Head(), 0)
    return Recorded(newest, oldest, {each.seq: each.digest for each in chained}, acceptances)


SIX = records(*[AuditKind.OPENED] * 4, AuditKind.DENIED, AuditKind.SIGNED_IN)


@pytest.mark.parametrize("end", [6, 5, 1])
def test_a_database_with_the_last_record_that_was_seen_is_not_older(end: int) -> None:
    assert lost_from(recorded(SIX), seen_of(SIX[:end])) is None


def test_a_file_behind_the_database_is_no_alarm_and_an_empty_one_neither() -> None:
    assert lost_from(recorded(SIX), Seen()) is None
    assert lost_from(recorded([]), Seen()) is None


def test_a_shorter_database_is_older_and_the_lost_denial_is_named() -> None:
    lost = lost_from(recorded(SIX[:4]), seen_of(SIX))
    assert lost is not None
    assert (lost.records, [each.kind for each in lost.taken]) == (2, [AuditKind.DENIED])


def test_an_empty_database_is_older() -> None:
    lost = lost_from(recorded([]), seen_of(SIX))
    assert lost is not None
    assert lost.records == 6


def test_a_database_that_went_another_way_is_older_however_long_it_is() -> None:
    other = [*SIX[:4], *records(*[AuditKind.ARMED] * 5, after=head(SIX[3]))]
    lost = lost_from(recorded(other), seen_of(SIX))
    assert lost is not None
    assert (lost.records, [each.head.seq for each in lost.taken]) == (None, [5])


def test_records_that_were_sealed_are_not_missing() -> None:
    longer = [*SIX, *records(AuditKind.SEALED, after=head(SIX[-1]))]
    assert lost_from(recorded(longer[6:]), seen_of(SIX)) is None


def test_a_marked_database_is_older_although_nothing_is_missing() -> None:
    lost = lost_from(recorded(SIX), replace(seen_of(SIX), marked_at=3000.0))
    assert lost is not None
    assert (lost.records, lost.taken) == (None, ())


@pytest.mark.parametrize(
    ("covered_epoch", "covered_seq", "is_older"), [(1, 6, False), (1, 7, False), (1, 5, True), (2, 6, True)]
)
def test_an_acceptance_covers_what_was_seen_up_to_its_record(
    covered_epoch: int, covered_seq: int, *, is_older: bool
) -> None:
    accepted = Acceptance(2, covered_epoch, covered_seq, 4000.0)
    assert (lost_from(recorded(SIX[:4], accepted), seen_of(SIX)) is not None) == is_older


def test_a_mark_is_covered_only_by_a_later_acceptance() -> None:
    marked = replace(seen_of(SIX), marked_at=3000.0)
    assert lost_from(recorded(SIX, Acceptance(2, 1, 6, 2999.0)), marked) is not None
    assert lost_from(recorded(SIX, Acceptance(2, 1, 6, 3000.0)), marked) is None


def test_what_several_servers_know_is_put_together() -> None:
    here, there = lost_from(recorded(SIX[:3]), seen_of(SIX)), lost_from(recorded(SIX[:3]), seen_of(SIX[:5]))
    assert here is not None
    assert there is not None
    both = merged([there, here])
    assert (both.seen.head.seq, both.records, len(both.taken)) == (6, 3, 1)


def test_only_so_many_records_are_kept_and_people_do_not_push_out_machines() -> None:
    many = records(*[AuditKind.DENIED] * 150, *[AuditKind.TOKEN_CHANGED] * 150)
    kept = seen_of(many).taken
    assert [sum(each.kind is kind for each in kept) for kind in (AuditKind.DENIED, AuditKind.TOKEN_CHANGED)] == [
        100
    ] * 2
    assert kept[-1].head == head(many[-1])


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (
            AuditEvent(1.0, AuditKind.TOKEN_CHANGED, "ana", details={"token": "ci", "done": "revoked"}),
            "token ci revoked by ana",
        ),
        (
            AuditEvent(1.0, AuditKind.OPERATOR_CHANGED, "ana", details={"operator": "ben", "done": "disabled"}),
            "operator ben disabled by ana",
        ),
        (
            AuditEvent(1.0, AuditKind.DENIED, "ana", identity=MACHINE, reason="not ours"),
            f"machine denied: uuid={MACHINE.uuid} by ana (not ours)",
        ),
        (AuditEvent(1.0, AuditKind.DISARMED, details={"name": "rack4"}), "armed window rack4 closed"),
    ],
)
def test_a_record_says_what_was_taken_away(event: AuditEvent, text: str) -> None:
    [record] = chain([event], Head())
    assert str(Taken.of(record)) == text


def test_what_was_seen_is_written_and_read_back() -> None:
    [denied] = chain([AuditEvent(5.5, AuditKind.DENIED, "ana", "x", "g", MACHINE, entry="cp-1", reason="é")], Head())
    seen = replace(seen_of([denied]), epoch=3, marked_at=7.25)
    assert read_seen(json.loads(json.dumps(as_json(seen)))) == seen


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.dictionaries(
    st.sampled_from(["version", "epoch", "head", "at", "marked_at", "taken"]), inner) | st.lists(inner)))  # fmt: skip
def test_anything_else_is_refused_with_one_error(members: object) -> None:
    with suppress(ValueError):
        read_seen(members)
