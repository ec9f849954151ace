"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from pathlib import Path

_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--config FILE``. Its default is ``BOOTGRANT_CONFIG``, else ``bootgrant.toml`` in the current folder."""
    parser.add_argument(
        "--config", type=Path, default=os.environ.get("BOOTGRANT_CONFIG", "bootgrant.toml"), metavar="FILE",
        help="the site's settings (default: %(default)s; BOOTGRANT_CONFIG)",
    )  # fmt: skip


def seconds_in(units: str, examples: str) -> Callable[[str], int]:
    """Return an argument type: a number and one of ``units`` (``m``, ``h``, ``d``), as seconds."""

    def parse(text: str) -> int:
        found = re.fullmatch(rf"(\d{{1,5}})([{units}])", text)
        if not found:
            raise argparse.ArgumentTypeError(f"{text!r} is not a time: write {examples}")
        return int(found[1]) * _SECONDS[found[2]]

    return parse
