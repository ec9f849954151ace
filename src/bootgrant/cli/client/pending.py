"""List the machines that are waiting for a decision, newest first.

  bootgrant pending                                     the list now
  bootgrant pending --watch                             keep the list up to date until you press Ctrl-C
  bootgrant pending --watch --json | while read -r one  into a pipe or a file: one line for each new request
  bootgrant pending --denied                            the machines that are refused after a denial, and until when

--watch waits for a server that restarts, and says so.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.client.queue import listed
from bootgrant.cli.output import Json, Refused, day, identity, printable, reporting, show, span, table
from bootgrant.cli.screen import Screen, add_color_argument, standard_output

_DENIED: Final = ("CODE", "REFUSED UNTIL (UTC)", "FROM", "DENIED BY", "REASON", "REPORTED BY THE MACHINE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only machines whose entry has this label"
    )
    parser.add_argument(
        "--text", metavar="TEXT", help="only machines with this text in a variable, the address, or the entry"
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--watch", action="store_true", help="show new requests as they come, until Ctrl-C")
    what.add_argument(
        "--denied",
        action="store_true",
        help="the machines that are refused after a denial; `bootgrant undeny` ends that",
    )
    add_color_argument(parser)
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    if args.denied:
        return _denied(args)
    if args.watch:
        from bootgrant.cli.client.watch import watch

        return watch(lambda: _ask(args), as_json=args.json, color=args.color)
    answer = _ask(args)
    return show(answer, as_text(answer, standard_output(args.color)), as_json=args.json)


def _ask(args: argparse.Namespace) -> Json:
    query = [("label", label) for label in args.label]
    if args.text:
        query.append(("text", args.text))
    return ask_api(args, "GET", "pending", query=query)


def as_text(answer: Json, screen: Screen) -> str:
    """The list as a table, followed by what does not fit in a column."""
    waiting = answer["pending"]
    text = listed(waiting, screen) if waiting else "no machines waiting"
    for request in waiting:
        if request["undelivered"]:
            text += f"\n{printable(request['code'])}: {printable(request['undelivered']['message'])}"
    if answer["next"]:
        text += f"\nonly the newest {len(waiting)} are shown; narrow the list with --label or --text"
    return text


def _denied(args: argparse.Namespace) -> int:
    if args.label or args.text:
        raise Refused("usage", "--denied lists all refused machines: leave out --label and --text")
    answer = ask_api(args, "GET", "denied")
    rows = [_denied_row(request) for request in answer["denied"]]
    text = table(_DENIED, rows) if rows else "no machines refused"
    if any("*" not in request["code"] for request in answer["denied"]):
        text += "\nlet one ask at once: bootgrant undeny CODE"
    return show(answer, text, as_json=args.json)


def _denied_row(request: Json) -> tuple[str, ...]:
    until = request["refused_until"]
    left = span(until - time.time())
    where = " ".join(part for part in (request["address"], request["network"]) if part)
    return request["code"], f"{day(until)} ({left})", where, request["decided_by"], request["reason"], identity(request)
