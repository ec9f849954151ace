"""Times as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime


def span(seconds: float) -> str:
    """``0:42``, ``9:18`` or ``1:02:03``; never negative."""
    whole = max(0, int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def spoken_span(seconds: float) -> str:
    """``42 s``, ``9 min`` or ``2 h``, rounded up: a wait, said in a sentence."""
    whole = max(1, int(seconds + 0.999))
    if whole < 120:
        return f"{whole} s"
    return f"{-(-whole // 60)} min" if whole < 2 * 3600 else f"{-(-whole // 3600)} h"


def clock_time(at: float) -> str:
    """``20:14:07 UTC``, the zone of the machine's own console."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
