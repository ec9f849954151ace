"""Why an expression is refused, and where."""

from __future__ import annotations


class CelError(ValueError):
    """Talos does not compile the expression. The message says what is wrong and in which column (from 1)."""

    def __init__(self, reason: str, source: str = "", at: int | None = None) -> None:
        super().__init__(reason if at is None else f"{reason} ({_place(source, at)})")


class CelUnchecked(CelError):
    """The expression is beyond what this program looks at; Talos may take it."""


def _place(source: str, at: int) -> str:
    line = source.count("\n", 0, at) + 1
    column = at - source.rfind("\n", 0, at)
    return f"column {column}" if "\n" not in source else f"line {line}, column {column}"
