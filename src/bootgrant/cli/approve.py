"""Let machines in, by the codes on their screens. The exit status is 0 only when every approval took effect."""

from __future__ import annotations

import argparse

from bootgrant.cli.deciding import approve_many, decide
from bootgrant.cli.remote import add_server_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "codes", metavar="CODE", nargs="+", help="as the machine shows it; case and dashes do not matter; or several"
    )
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if len(args.codes) > 1:
        return approve_many(args)
    return decide(args, args.codes[0], "approve", "approved")
