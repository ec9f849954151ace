"""Close an armed window before its time. What it let in stays let in."""

from __future__ import annotations

import argparse

from bootgrant.cli.admin_socket import Refused, printable, report
from bootgrant.cli.people import show
from bootgrant.cli.remote import add_server_arguments, ask_api


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name or number; `bootgrant arm --list` shows them")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    answer = ask_api(args, "POST", "disarm", {"name": args.name})
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    told = f"closed {printable(answer['name'])}; it let in {answer['used']} of {answer['count']}"
    return show(answer, told, as_json=args.json)
