"""``--config``: where a command finds the site's settings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    """``--config FILE``; without it ``BOOTGRANT_CONFIG``, or ``bootgrant.toml`` in the current folder."""
    parser.add_argument(
        "--config",
        type=Path,
        default=Path(os.environ.get("BOOTGRANT_CONFIG", "bootgrant.toml")),
        metavar="FILE",
        help="the site's settings (default: %(default)s; BOOTGRANT_CONFIG)",
    )
