"""What a person sees first about a waiting machine: one verdict, the same on pages, in the API, and in commands."""

from __future__ import annotations

from enum import StrEnum


class Standing(StrEnum):
    """The verdict. Only EXPECTED machines may be approved in one step with others.

    EXPECTED: an entry names the machine's uuid, serial or mac in full, and nothing contradicts it. PATTERN: only a
    pattern or a hostname led to the entry, which fits other machines as well. ASSIGNED: a person gave it its entry.
    """

    MISMATCH = "mismatch"
    EXPECTED = "expected"
    PATTERN = "pattern"
    ASSIGNED = "assigned"
    UNKNOWN = "unknown"


def standing(*, has_conflict: bool, has_entry: bool, is_assigned: bool, is_exact: bool) -> Standing:
    """Return the verdict about a waiting machine. Evidence against it outweighs how it found its entry."""
    if has_conflict:
        return Standing.MISMATCH
    if not has_entry:
        return Standing.UNKNOWN
    if is_assigned:
        return Standing.ASSIGNED
    return Standing.EXPECTED if is_exact else Standing.PATTERN
