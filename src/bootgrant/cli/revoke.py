"""Take an approval back, by the code that the machine showed: its token is worth nothing from then on.

What the machine has fetched already it keeps. The exit status is 0 only when the approval was taken back.
"""

from __future__ import annotations

import argparse

from bootgrant.cli.deciding import decide
from bootgrant.cli.remote import add_server_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help="as the machine showed it; case and dashes do not matter")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    return decide(args, args.code, "revoke", "took back the approval of")
