"""Close an armed window before its time. What it let in stays let in."""

from __future__ import annotations

import argparse

from bootgrant.cli.admin_socket import Refused, add_socket_arguments, ask, printable, report, user_here
from bootgrant.cli.people import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="its name or number; `bootgrant arm --list` shows them")
    add_socket_arguments(parser)


def run(args: argparse.Namespace) -> int:
    answer = ask(args.config, "POST", "disarm", {"name": args.name, "user": user_here()})
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    told = f"closed {printable(answer['name'])}; it let in {answer['used']} of {answer['count']}"
    return show(answer, told, as_json=args.json)
