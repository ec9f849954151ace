"""List the machines that wait for a decision, newest first."""

from __future__ import annotations

import argparse
import json

from bootgrant.cli.admin_socket import Json, Refused, identity, printable, report
from bootgrant.cli.remote import add_server_arguments, ask_api

_HEAD = ("CODE", "ASKED", "LEFT", "FROM", "EVIDENCE", "GETS", "SAYS IT IS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE", help="only machines whose entry has this label"
    )
    parser.add_argument("--text", metavar="TEXT", help="only machines with this in a variable, the address or entry")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    query = [("label", label) for label in args.label]
    if args.text:
        query.append(("text", args.text))
    answer = ask_api(args, "GET", "pending", query=query)
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    if args.json:
        print(json.dumps(answer))
    elif answer["pending"]:
        print("\n".join(table([row(grant) for grant in answer["pending"]])))
        if answer["next"]:
            print(f"and more: these are the newest {len(answer['pending'])}; choose with --label or --text")
    else:
        print("no machine waits")
    return 0


def row(grant: Json) -> tuple[str, ...]:
    """The cells of one machine. The identity comes last: it may be long, and nothing is pushed aside by it."""
    entry = grant["entry"]
    gets = (
        f"{printable(entry['name'])} (by {printable(entry['matched'])})" if entry else "nothing yet: no configuration"
    )
    if grant["needed"] > 1:
        gets += f", {len(grant['votes'])} of {grant['needed']} approvals"
    where = printable(" ".join(part for part in (grant["address"], grant["network"]) if part))
    times = (_span(grant["age"]), _span(grant["left"]))
    return grant["code"], *times, where, _evidence(grant["evidence"]), gets, identity(grant)


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Lines with aligned columns under a head."""
    lines = [_HEAD, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def _evidence(checks: list[Json]) -> str:
    """What speaks against the machine; else what speaks for it."""
    against = [check["name"] for check in checks if check["verdict"] == "mismatch"]
    named = against or [check["name"] for check in checks if check["verdict"] == "match"]
    told = ", ".join(dict.fromkeys(printable(name) for name in named))
    return f"AGAINST: {told}" if against else told or "unknown"


def _span(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
