"""How statements and texts are written for PostgreSQL."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def marked(statement: str) -> str:
    """Return a statement with psycopg's mark for each value, instead of ``?``."""
    return statement.replace("?", "%s")


def escaped(value: T) -> T | str:
    """Return a value as it is stored. PostgreSQL's texts cannot contain NUL, which a machine may claim, so texts with a
    NUL or a backslash are escaped."""
    if isinstance(value, str) and ("\0" in value or "\\" in value):
        return value.replace("\\", "\\\\").replace("\0", "\\0")
    return value


def unescaped(value: T) -> T | str:
    """Return the value that ``escaped`` was given."""
    if isinstance(value, str) and "\\" in value:
        return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
    return value
