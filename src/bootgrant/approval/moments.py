"""Times in the past as people write them: ``12:00`` today, an ISO 8601 time, or a duration such as ``2h``."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, tzinfo
from typing import Final

_AGO: Final = re.compile(r"(\d{1,5})([mhd])")
_TODAY: Final = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_LENGTH: Final = 40
_SECONDS: Final = {"m": 60.0, "h": 3600.0, "d": 86400.0}

EXAMPLES: Final = "2h, 12:00, 2026-11-24T03:00, or 2026-11-24T03:00+01:00"


class BadMoment(ValueError):
    """The text is not a time in the past; the message shows what one looks like."""


def read_moment(text: str, now: float, zone: tzinfo | None) -> float:
    """Return Unix seconds. Raises BadMoment.

    A time of today is in ``zone``, where None is the zone of this computer. An ISO 8601 time without a zone is UTC, as
    the audit shows times.
    """
    words = text.strip()
    if ago := _AGO.fullmatch(words):
        return max(0.0, now - int(ago[1]) * _SECONDS[ago[2]])
    try:
        moment = _today(words, now, zone) if _TODAY.fullmatch(words) else datetime.fromisoformat(words[:_LENGTH])
        at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        shown = in_zone(at, zone)
    except (ValueError, OverflowError):
        at, shown = -1.0, ""
    if at < 0:
        raise BadMoment(f"{words[:_LENGTH]!r} is not a time: write {EXAMPLES}")
    if at > now:
        raise BadMoment(f"{words!r} ({shown}) is in the future: write an earlier one")
    return at


def _today(words: str, now: float, zone: tzinfo | None) -> datetime:
    hour, _, rest = words.partition(":")
    today = datetime.fromtimestamp(now, zone).date()
    moment = datetime.combine(today, time.fromisoformat(f"{int(hour):02}:{rest}"), zone)
    # Without a zone this is the computer's, also if its offset from UTC has changed since that time.
    return moment if zone else moment.astimezone()


def in_zone(at: float, zone: tzinfo | None) -> str:
    """Format a time with its zone, as ``2026-11-24 12:00:00 CET``, where None is the zone of this computer."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")
