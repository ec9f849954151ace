"""Refuse a machine, by the code on its screen. The exit status is 0 only when the denial took effect."""

from __future__ import annotations

import argparse

from bootgrant.cli.deciding import decide
from bootgrant.cli.remote import add_server_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help="as the machine shows it; case and dashes do not matter")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="one line; the machine's console shows it")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    return decide(args, args.code, "deny", "denied", reason=args.reason)
