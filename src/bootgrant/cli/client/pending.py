"""List the machines that are waiting for a decision, newest first."""

from __future__ import annotations

import argparse

from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.output import Json, identity, printable, reporting, show, table

_HEAD = ("CODE", "AGE", "LEFT", "VERDICT", "FROM", "EVIDENCE", "CONFIGURATION", "REPORTED BY THE MACHINE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only machines whose entry has this label"
    )
    parser.add_argument(
        "--text", metavar="TEXT", help="only machines with this text in a variable, the address, or the entry"
    )
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
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


def row(request: Json) -> tuple[str, ...]:
    """The cells of one machine. The identity is last, because it may be long."""
    entry = request["entry"]
    how = "" if request["assigned_by"] or not entry else f" (by {entry['matched']})"
    gets = printable(f"{entry['name']}{how}") if entry else "nothing yet: no configuration"
    if request["needed"] > 1:
        gets += f", {len(request['votes'])} of {request['needed']} approvals"
    if request["void_votes"]:
        gets += f", {len(request['void_votes'])} void"
    where = printable(" ".join(part for part in (request["address"], request["network"]) if part))
    times = (_span(request["age"]), _span(request["left"]))
    return request["code"], *times, _verdict(request), where, _evidence(request["evidence"]), gets, identity(request)


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
