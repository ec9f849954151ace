"""Times in the past as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from bootgrant.approval.moments import BadMoment, in_zone, read_moment

NOON = datetime(2026, 11, 24, 12, 30, tzinfo=UTC).timestamp()
BERLIN = ZoneInfo("Europe/Berlin")


def utc(*parts: int) -> float:
    year, month, day, hour, minute = parts
    return datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("30m", NOON - 1800),
        ("2h", NOON - 7200),
        ("1d", NOON - 86400),
        ("12:00", utc(2026, 11, 24, 11, 0)),
        (" 9:05 ", utc(2026, 11, 24, 8, 5)),
        ("00:00:00", utc(2026, 11, 23, 23, 0)),
        ("2026-11-24T03:00", utc(2026, 11, 24, 3, 0)),
        ("2026-11-24 03:00", utc(2026, 11, 24, 3, 0)),
        ("2026-11-24T03:00+02:00", utc(2026, 11, 24, 1, 0)),
        ("2026-11-24T03:00:00.000Z", utc(2026, 11, 24, 3, 0)),
        ("2026-11-24", utc(2026, 11, 24, 0, 0)),
    ],
)
def test_a_moment_is_a_duration_a_time_of_today_or_iso_8601(text: str, at: float) -> None:
    assert read_moment(text, NOON, BERLIN) == at


def test_a_time_before_the_clock_changed_is_read_with_its_own_offset() -> None:
    after = datetime(2026, 10, 25, 9, 0, tzinfo=BERLIN).timestamp()
    assert read_moment("01:00", after, BERLIN) == utc(2026, 10, 24, 23, 0)


def test_without_a_zone_it_is_the_one_of_this_computer() -> None:
    local = datetime.fromtimestamp(NOON).astimezone()
    assert read_moment(local.strftime("%H:%M:%S"), NOON, None) == NOON
    assert in_zone(NOON, None).endswith(local.strftime("%H:%M:%S %Z"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "noon",
        "25:00",
        "12:99",
        "2h30m",
        "-2h",
        "2026-13-01",
        "1" * 400,
        "2s",
        "9:5",
        "9999-12-31T23:59-12:00",
        "1111-11-11",
    ],
)
def test_anything_else_is_refused_with_examples(text: str) -> None:
    with pytest.raises(BadMoment, match="is not a time: write 2h, 12:00, 2026-11-24T03:00"):
        read_moment(text, NOON, UTC)


@pytest.mark.parametrize("text", ["13:31", "2026-11-24T12:31", "9990-12-31T23:59"])
def test_a_time_to_come_is_refused(text: str) -> None:
    with pytest.raises(BadMoment, match="is in the future"):
        read_moment(text, NOON, UTC if text == "13:31" else timezone(timedelta(hours=1)))


def test_a_time_is_shown_with_its_zone() -> None:
    assert in_zone(NOON, BERLIN) == "2026-11-24 13:30:00 CET"
    assert in_zone(NOON, UTC) == "2026-11-24 12:30:00 UTC"
