"""Forget which entry was given to a machine. Approvals that were made stay."""

from __future__ import annotations

import argparse

from bootgrant.cli.admin_socket import Refused, identity, printable, report
from bootgrant.cli.people import show
from bootgrant.cli.remote import add_server_arguments, ask_api

_VARIABLES = ("uuid", "serial", "mac")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in _VARIABLES:
        parser.add_argument(f"--{name}", default="", metavar=name.upper(), help=f"the machine's {name}")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    members = {name: value for name in _VARIABLES if (value := getattr(args, name))}
    answer = ask_api(args, "POST", "unassign", members)
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    return show(answer, f"{identity(answer)} has {printable(answer['entry'])} no longer", as_json=args.json)
