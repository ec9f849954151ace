"""Give a machine that the configurations do not know an entry, by the code on its screen.

  bootgrant assign WDJB-MJHT worker-17     the machine still has to be approved
  bootgrant assign --list

The server remembers it for the machine's uuid, serial and mac, until `bootgrant unassign`.
"""

from __future__ import annotations

import argparse

from bootgrant.cli.admin_socket import Json, Refused, identity, printable, report
from bootgrant.cli.people import day, show, table
from bootgrant.cli.remote import add_server_arguments, ask_api

_HEAD = ("ENTRY", "BY", "SINCE (UTC)", "MACHINE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help="as the machine shows it")
    parser.add_argument("entry", nargs="?", metavar="ENTRY", help="the name of the entry that it gets")
    parser.add_argument("--list", action="store_true", help="show what was assigned")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.list:
        answer = ask_api(args, "GET", "assignments")
        rows = [] if isinstance(answer, Refused) else [_row(each) for each in answer["assignments"]]
        return show(answer, table(_HEAD, rows) if rows else "nothing was assigned", as_json=args.json)
    if not args.code or not args.entry:
        told = "say which machine gets what: bootgrant assign CODE ENTRY"
        return report(Refused("incomplete", told), as_json=args.json)
    members = {"code": args.code, "entry": args.entry}
    answer = ask_api(args, "POST", "assign", members)
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    told = f"{identity(answer)} gets {printable(answer['entry'])}; now approve it: bootgrant approve {args.code}"
    return show(answer, told, as_json=args.json)


def _row(each: Json) -> tuple[str, ...]:
    return each["entry"], each["by"], day(each["at"]), identity(each)
