"""The two forms of the fault suite: `make test-faults` sets FAULT_TEST=1, `make test` runs the short form."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")
LONG = os.environ.get("FAULT_TEST") == "1"


def rounds(short: T, long: T) -> T:
    """Return the number of repetitions for this form of the suite."""
    return long if LONG else short
