"""PostgreSQL texts hold no NUL, and a machine may claim one: it is kept as an escape."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def kept(value: T) -> T | str:
    """A value as it is stored. Only texts with a NUL or a backslash differ."""
    if isinstance(value, str) and ("\0" in value or "\\" in value):
        return value.replace("\\", "\\\\").replace("\0", "\\0")
    return value


def found(value: T) -> T | str:
    """The value that ``kept`` was given."""
    if isinstance(value, str) and "\\" in value:
        return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
    return value
