"""Expect machines: for a while, so many of the selected ones are let in without a person.

  bootgrant arm site=fra,role=worker --for 2h --count 12
  bootgrant arm 'rack4-*' --for 30m --count 40 --network fra-rack4 --evidence inventory,history --name rack4
  bootgrant arm --list

A selector is labels and names of entries with commas between: all must hold; several selectors: any. A machine gets in
only when nothing of its evidence speaks against it. A control plane, and whatever needs two people, never does.
"""

from __future__ import annotations

import argparse
import re
import time

from bootgrant.cli.admin_socket import Json, Refused, printable, report
from bootgrant.cli.people import day, show, table
from bootgrant.cli.remote import add_server_arguments, ask_api

_HEAD = ("NAME", "SELECTS", "NETWORKS", "EVIDENCE", "LET IN", "OPEN UNTIL (UTC)", "BY")
_FOR = re.compile(r"(\d{1,5})([mhd])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selector", nargs="*", metavar="SELECTOR", help="labels and names, such as site=fra,worker-*")
    parser.add_argument("--for", dest="seconds", type=_span, metavar="TIME", help="how long: 30m, 2h, 1d; at most 7d")
    parser.add_argument("--count", type=int, metavar="N", help="how many machines")
    parser.add_argument(
        "--network", action="append", default=[], metavar="NET", help="only from here: 10.20.4.0/24, or a name of yours"
    )
    parser.add_argument(
        "--evidence",
        action="append",
        default=[],
        metavar="NAME",
        help="only when this speaks for the machine: network, inventory, history, or a command of yours",
    )
    parser.add_argument("--name", default="", metavar="NAME", help="what the audit calls it (default: a short number)")
    parser.add_argument("--list", action="store_true", help="show the windows that are open")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.list:
        return _list(args)
    if not args.selector or args.seconds is None or args.count is None:
        told = "say which machines, for how long, how many: bootgrant arm site=fra,role=worker --for 2h --count 12"
        return report(Refused("incomplete", told), as_json=args.json)
    members: dict[str, object] = {
        "select": args.selector,
        "seconds": args.seconds,
        "count": args.count,
        "networks": _words(args.network),
        "evidence": _words(args.evidence),
        "name": args.name,
    }
    answer = ask_api(args, "POST", "arm", members)
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    told = (
        f"armed {printable(answer['name'])}: up to {answer['count']} machines with {_select(answer)} "
        f"get in until {day(answer['until'])} UTC; a control plane, and what needs two people, still waits for people. "
        f"Close it with: bootgrant disarm {printable(answer['name'])}"
    )
    return show(answer, told, as_json=args.json)


def _list(args: argparse.Namespace) -> int:
    answer = ask_api(args, "GET", "windows")
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    rows = [_row(window) for window in answer["windows"]]
    return show(answer, table(_HEAD, rows) if rows else "no window is open", as_json=args.json)


def _row(window: Json) -> tuple[str, ...]:
    left = max(0, int(window["until"] - time.time()) // 60)
    return (
        window["name"],
        _select(window),
        ", ".join(window["networks"]) or "anywhere",
        ", ".join(window["evidence"]) or "nothing against it",
        f"{window['used']} of {window['count']}",
        f"{day(window['until'])} ({left} min)",
        window["by"],
    )


def _select(window: Json) -> str:
    return printable(" or ".join(window["select"]))


def _words(given: list[str]) -> list[str]:
    return [word for text in given for word in re.split(r"[,\s]+", text) if word]


def _span(text: str) -> int:
    found = _FOR.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 30m, 2h or 1d")
    return int(found.group(1)) * _SECONDS[found.group(2)]
