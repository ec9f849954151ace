"""How commands print: text from strangers, tables, times, answers, and errors."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Final

from bootgrant.cli.statuses import INTERRUPTED, USAGE
from bootgrant.wire.identity import MachineIdentity

Json = dict[str, Any]

_USAGE_ERRORS: Final = frozenset({"usage", "incomplete", "not_a_code", "bad_request", "bad_server"})
"""The errors that mean that the command line is wrong: exit status 2 instead of 1."""


class Refused(Exception):
    """Why nothing happened, in one line for a person; ``error`` is a stable name. Ends a ``reporting`` command."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(message)
        self.error = error

    @property
    def status(self) -> int:
        if self.error == "interrupted":
            return INTERRUPTED
        return USAGE if self.error in _USAGE_ERRORS else 1


def reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Let a command raise Refused: print it on standard error, or with ``--json`` on standard output.

    The exit status is 1, or 2 if the command line is wrong, or 130 after Ctrl-C.
    """

    @wraps(run)
    def reported(args: argparse.Namespace) -> int:
        try:
            return run(args)
        except Refused as refused:
            if args.json:
                print(json.dumps({"error": refused.error, "message": str(refused)}))
            else:
                fail(printable(str(refused)))
            return refused.status

    return reported


def site_reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command report what is wrong with the settings or the database, with exit status 1."""

    @wraps(run)
    def checked(args: argparse.Namespace) -> int:
        from bootgrant.ports.grants import StoreUnavailable
        from bootgrant.service.settings.site import SettingsError

        try:
            return run(args)
        except SettingsError as error:
            raise Refused("no_site", str(error)) from error
        except StoreUnavailable as error:
            raise Refused("store_unavailable", str(error)) from error

    return reporting(checked)


def printable(text: str) -> str:
    """Escape a stranger's text to plain ASCII, so that it cannot control a terminal."""
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode("ascii") for c in text)


def identity(request: Mapping[str, Any]) -> str:
    """The machine's identity as ``name=value`` pairs, safe for a terminal."""
    return printable(MachineIdentity.shown(request["identity"]))


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


def span(seconds: float) -> str:
    """Format a time span as ``9:18``: minutes and seconds."""
    minutes, rest = divmod(int(max(0.0, seconds)), 60)
    return f"{minutes}:{rest:02}"


def show(answer: Json, text: str, *, as_json: bool) -> int:
    """Print ``text``, or the answer as JSON. Return exit status 0."""
    print(json.dumps(answer) if as_json else text)
    return 0


def fail(message: object, command: str = "") -> int:
    """Print an error on standard error. Return exit status 1."""
    print(f"bootgrant{f' {command}' if command else ''}: {message}", file=sys.stderr)
    return 1
