"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from bootgrant.approval.codes import normalise_user_code
from bootgrant.approval.login_codes import normalise_login_code
from bootgrant.cli.output import Refused
from bootgrant.cli.parsing import did_you_mean

Chosen = TypeVar("Chosen", bound=StrEnum)

CODE_HELP: Final = "the code as the machine shows it; case and dashes do not matter"
LIFETIME_LIMITS: Final = "a token's lifetime must be between 1 second and 366 days"
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--config FILE``. Its default is ``BOOTGRANT_CONFIG``, else ``bootgrant.toml`` in the current folder."""
    parser.add_argument(
        "--config", type=Path, default=os.environ.get("BOOTGRANT_CONFIG", "bootgrant.toml"), metavar="FILE",
        help="the site's settings (default: %(default)s; BOOTGRANT_CONFIG)",
    )  # fmt: skip


def add_json_argument(parser: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON, and an error as well")


def seconds_in(units: str, examples: str, *, most: int = 0, limits: str = "") -> Callable[[str], int]:
    """Return an argument type: a number and one of ``units`` (``m``, ``h``, ``d``), as seconds.

    Unless it is between 1 and ``most``, the error says ``limits``.
    """

    def parse(text: str) -> int:
        found = re.fullmatch(rf"(\d{{1,9}})([{units}])", text)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} is not a time: write {examples}")
        seconds = int(found[1]) * _SECONDS[found[2]]
        if most and not 0 < seconds <= most:
            raise argparse.ArgumentTypeError(limits)
        return seconds

    return parse


def one_of(kind: type[Chosen]) -> Callable[[str], Chosen]:
    """Return an argument type: one of the values of an enum. Use it with ``choices=list(kind)``."""

    def parse(text: str) -> Chosen:
        try:
            return kind(text)
        except ValueError:
            values = [each.value for each in kind]
            hint = did_you_mean(text, values)
            message = f"there is no {text!r}: choose from {', '.join(values)}{hint}"
            raise argparse.ArgumentTypeError(message) from None

    return parse


def code_in(text: str) -> str:
    """Return a code that a person typed. Raises Refused unless it can be one."""
    if normalise_user_code(text) is None:
        if normalise_login_code(text) is not None:
            where = "type it on the page whose address the login shows"
            raise Refused("not_a_code", f"{text} is a code of `bootgrant login`, not of a machine: {where}")
        raise Refused("not_a_code", f"{text} is not a code: a code looks like WDJB-MJHT")
    return text
