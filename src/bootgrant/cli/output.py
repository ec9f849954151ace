"""How commands print: text from strangers, tables, times, answers, and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing happened. ``message`` is one line for a person; ``error`` is a stable name."""

    error: str
    message: str


def printable(text: str) -> str:
    """Escape a stranger's text to plain ASCII, so that it cannot control a terminal."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def identity(request: Mapping[str, Any]) -> str:
    """The machine's identity as ``name=value`` pairs, safe for a terminal."""
    return " ".join(f"{name}={printable(value)}" for name, value in request["identity"].items())


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """Format rows as aligned columns under a heading."""
    lines = [head, *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def day(at: float | None, never: str = "never") -> str:
    """Format Unix seconds as ``2026-11-24 20:14``, in UTC."""
    return never if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def show(answer: Json | Refused, text: str, *, as_json: bool) -> int:
    """Print ``text``, or the answer as JSON, or why there is none. Return the exit status."""
    if isinstance(answer, Refused):
        return report(answer, as_json=as_json)
    print(json.dumps(answer) if as_json else text)
    return 0


def report(refused: Refused, *, as_json: bool) -> int:
    """Print why nothing happened, on standard error or as JSON on standard output. Return exit status 1."""
    if as_json:
        print(json.dumps({"error": refused.error, "message": refused.message}))
        return 1
    return fail(printable(refused.message))


def fail(message: object, command: str = "") -> int:
    """Print an error on standard error. Return exit status 1."""
    print(f"bootgrant{f' {command}' if command else ''}: {message}", file=sys.stderr)
    return 1
