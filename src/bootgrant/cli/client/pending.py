"""List the machines that are waiting for a decision, newest first.

With --denied, list instead the machines that are refused because an operator denied them, and until when.
"""

from __future__ import annotations

import argparse
import time

from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.output import Json, Refused, day, identity, printable, reporting, show, table
from bootgrant.machines.site.findings import named_fields

_DENIED = ("CODE", "REFUSED UNTIL (UTC)", "FROM", "DENIED BY", "REASON", "REPORTED BY THE MACHINE")
_HEAD = ("CODE", "AGE", "LEFT", "VERDICT", "FROM", "EVIDENCE", "CONFIGURATION", "REPORTED BY THE MACHINE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only machines whose entry has this label"
    )
    parser.add_argument(
        "--text", metavar="TEXT", help="only machines with this text in a variable, the address, or the entry"
    )
    parser.add_argument(
        "--denied",
        action="store_true",
        help="the machines that are refused after a denial; `bootgrant undeny` ends that",
    )
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    if args.denied:
        return _denied(args)
    query = [("label", label) for label in args.label]
    if args.text:
        query.append(("text", args.text))
    answer = ask_api(args, "GET", "pending", query=query)
    rows = [row(request) for request in answer["pending"]]
    text = table(_HEAD, rows) if rows else "no machines waiting"
    for request in answer["pending"]:
        if request["undelivered"]:
            text += f"\n{request['code']}: {printable(request['undelivered']['message'])}"
    if answer["next"]:
        text += f"\nonly the newest {len(rows)} are shown; narrow the list with --label or --text"
    return show(answer, text, as_json=args.json)


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
    left = _span(max(0.0, until - time.time()))
    where = " ".join(part for part in (request["address"], request["network"]) if part)
    return request["code"], f"{day(until)} ({left})", where, request["decided_by"], request["reason"], identity(request)


def row(request: Json) -> tuple[str, ...]:
    """The cells of one machine. The identity is last, because it may be long."""
    entry = request["entry"]
    how = "" if request["assigned_by"] or not entry else f" (by {entry['matched']})"
    gets = printable(f"{entry['name']}{how}" if entry else _without_entry(request))
    if request["needed"] > 1:
        gets += f", {len(request['votes'])} of {request['needed']} approvals"
    if entry and entry.get("precious"):
        gets += f", has keys: {printable(named_fields(entry['precious']))}"
    if request["void_votes"]:
        gets += f", {len(request['void_votes'])} void"
    where = printable(" ".join(part for part in (request["address"], request["network"]) if part))
    times = (_span(request["age"]), _span(request["left"]))
    return request["code"], *times, _verdict(request), where, _evidence(request["evidence"]), gets, identity(request)


def _without_entry(request: Json) -> str:
    """Why a machine cannot be approved yet: its entry cannot be served, or it has none. `preview CODE` says more."""
    return f"nothing yet: {request['problem'].partition(': ')[0] or 'no configuration'}"


def _verdict(request: Json) -> str:
    """The standing as pages show it, and whether another request reports the same machine."""
    by = request["assigned_by"]
    words = {"pattern": "matched by pattern", "assigned": f"assigned by {by}"}.get(request["standing"])
    return printable(words or request["standing"]) + (", not unique" if request["alike"] else "")


def _evidence(checks: list[Json]) -> str:
    """The mismatches, or else the matches."""
    against = [check["name"] for check in checks if check["verdict"] == "mismatch"]
    names = against or [check["name"] for check in checks if check["verdict"] == "match"]
    text = ", ".join(dict.fromkeys(printable(name) for name in names))
    return f"MISMATCH: {text}" if against else text or "unknown"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
