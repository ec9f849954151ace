"""Tokens with which programs use the API, each with a role of its own.

  bootgrant tokens add ci --role approver --label site=fra --for 90d    the token is shown once
  bootgrant tokens list                                                 which there are, until when, last used
  bootgrant tokens revoke ci                                            it opens nothing any more

It works while the server runs and while it does not.
"""

from __future__ import annotations

import argparse
import re
from urllib.parse import quote

from bootgrant.cli.admin_socket import Json, Refused, report
from bootgrant.cli.people import add_rights_arguments, ask_people, day, show, table
from bootgrant.cli.remote import add_server_arguments

_HEAD = ("NAME", "ROLE", "LABELS", "MADE BY", "MADE (UTC)", "GOOD UNTIL (UTC)", "LAST USED (UTC)")
_FOR = re.compile(r"(\d{1,5})([hd])")
_SECONDS = {"h": 3600, "d": 86400}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="add|list|revoke", required=True)
    add = verbs.add_parser("add", help="a new token", allow_abbrev=False)
    add.add_argument("name", metavar="NAME", help="what uses it, such as ci or grafana")
    add_rights_arguments(add, "viewer")
    add.add_argument(
        "--for",
        dest="seconds",
        type=_lifetime,
        default="90d",
        metavar="TIME",
        help="how long it is good, such as 12h or 90d; at most 366d (default: %(default)s)",
    )
    add_server_arguments(add)
    add_server_arguments(verbs.add_parser("list", help="which there are", allow_abbrev=False))
    revoke = verbs.add_parser("revoke", help="end a token at once", allow_abbrev=False)
    revoke.add_argument("name", metavar="NAME")
    add_server_arguments(revoke)


def run(args: argparse.Namespace) -> int:
    if args.verb == "list":
        answer = ask_people(args, "GET", "tokens")
        if isinstance(answer, Refused):
            return report(answer, as_json=args.json)
        rows = [_row(token) for token in answer["tokens"]]
        return show(answer, table(_HEAD, rows) if rows else "there are no tokens", as_json=args.json)
    if args.verb == "add":
        members = {"name": args.name, "role": args.role, "labels": args.label, "seconds": args.seconds}
        answer = ask_people(args, "POST", "tokens", members)
    else:
        answer = ask_people(args, "DELETE", f"tokens/{quote(args.name, safe='', errors='surrogateescape')}")
    return show(answer, "" if isinstance(answer, Refused) else _told(args, answer), as_json=args.json)


def _lifetime(text: str) -> int:
    found = _FOR.fullmatch(text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: write 12h or 90d")
    return int(found.group(1)) * _SECONDS[found.group(2)]


def _row(token: Json) -> tuple[str, ...]:
    until = f"expired {day(token['expires_at'])}" if token["expired"] else day(token["expires_at"])
    labels = " ".join(token["labels"]) or "every machine"
    return (
        token["name"],
        token["role"],
        labels,
        token["created_by"],
        day(token["created_at"]),
        until,
        day(token["used_at"]),
    )


def _told(args: argparse.Namespace, answer: Json) -> str:
    if args.verb == "revoke":
        return f"revoked {args.name}"
    until = day(answer["about"]["expires_at"])
    return f"{answer['token']}\nmade {args.name}, good until {until} UTC (shown once: keep it now)"
