"""Who may sign in to the pages, and what they may do there.

  bootgrant operators add ana --role approver --label site=fra    a new operator; the password is shown once
  bootgrant operators list                                        everybody
  bootgrant operators set ana --role admin                        another role; --label: other limits
  bootgrant operators disable ana                                 shut out at once; enable lets in again
  bootgrant operators reset ana                                   a new password; their passkeys are forgotten

It works while the server runs and while it does not. People of a provider ([[oidc]]) come by themselves.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bootgrant.cli.admin_socket import Json, Refused, report
from bootgrant.cli.people import add_rights_arguments, ask_people, day, show, table
from bootgrant.cli.remote import add_server_arguments

_HEAD = ("NAME", "ROLE", "LABELS", "KIND", "STATE", "CREATED (UTC)", "LAST SEEN (UTC)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="add|list|set|disable|enable|reset", required=True)
    add = verbs.add_parser("add", help="somebody new", allow_abbrev=False)
    _add_name(add)
    add_rights_arguments(add, "approver")
    add.add_argument(
        "--break-glass",
        action="store_true",
        help="for emergencies: always signs in here, with a made-up password alone; named so in the audit",
    )
    _add_password(add)
    add_server_arguments(verbs.add_parser("list", help="everybody", allow_abbrev=False))
    change = verbs.add_parser("set", help="another role, other labels", allow_abbrev=False)
    _add_name(change)
    add_rights_arguments(change, None)
    change.add_argument("--every-machine", action="store_true", help="lift the limits that --label set")
    add_server_arguments(change)
    for verb, meaning in (("disable", "shut out at once; sessions end"), ("enable", "let in again")):
        one = verbs.add_parser(verb, help=meaning, allow_abbrev=False)
        _add_name(one)
        add_server_arguments(one)
    reset = verbs.add_parser("reset", help="a new password; passkeys are forgotten, sessions end", allow_abbrev=False)
    _add_name(reset)
    _add_password(reset)


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _add_password(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--ask-password", action="store_true", help="type the password, instead of having one made up")
    how.add_argument("--password-file", type=Path, metavar="FILE", help="its first line is the password")
    add_server_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.verb == "list":
        return _list(args)
    try:
        members = _members(args)
    except (OSError, ValueError) as error:
        return report(Refused("no_password", str(error)), as_json=args.json)
    there = f"operators/{quote(args.name, safe='', errors='surrogateescape')}"
    match args.verb:
        case "add":
            answer = ask_people(args, "POST", "operators", {**members, "name": args.name})
        case "set":
            answer = ask_people(args, "PATCH", there, members)
        case verb:
            answer = ask_people(args, "POST", f"{there}/{verb}", members or None)
    return show(answer, "" if isinstance(answer, Refused) else _told(args, answer), as_json=args.json)


def _members(args: argparse.Namespace) -> dict[str, Any]:
    """What the request says beside the name. Raises OSError and ValueError for a password that cannot be had."""
    members: dict[str, Any] = {}
    if args.verb in ("add", "set"):
        members["role"] = args.role
        if args.label or (args.verb == "set" and args.every_machine):
            members["labels"] = args.label
    if args.verb in ("add", "reset"):
        members |= _password(args)
    if args.verb == "add" and args.break_glass:
        members["break_glass"] = True
    return members


def _list(args: argparse.Namespace) -> int:
    answer = ask_people(args, "GET", "operators")
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    return show(answer, table(_HEAD, [_row(operator) for operator in answer["operators"]]), as_json=args.json)


def _row(operator: Json) -> tuple[str, ...]:
    state = "active" if operator["disabled_at"] is None else f"disabled {day(operator['disabled_at'])}"
    labels = " ".join(operator["labels"]) or "every machine"
    return (
        operator["name"],
        operator["role"],
        labels,
        operator["kind"],
        state,
        day(operator["created_at"]),
        day(operator["seen_at"]),
    )


def _password(args: argparse.Namespace) -> dict[str, str]:
    """The member with the password; none to have one made up. Raises OSError and ValueError."""
    if args.password_file:
        return {"password": args.password_file.read_text("utf-8").partition("\n")[0].rstrip("\r")}
    if not args.ask_password:
        return {}
    if not os.isatty(sys.stdin.fileno()):
        raise ValueError("--ask-password needs a terminal; in a script take --password-file, or have one made up")
    first, second = getpass.getpass(f"Password for {args.name}: "), getpass.getpass("Once more: ")
    if first != second:
        raise ValueError("the two passwords differ: nothing was changed")
    return {"password": first}


def _told(args: argparse.Namespace, answer: Json) -> str:
    done = {"add": "added", "set": "changed", "disable": "disabled", "enable": "enabled", "reset": "reset"}[args.verb]
    if answer.get("password"):
        return f"{done} {args.name}; the password is {answer['password']} (shown once: keep it now)"
    return f"{done} {args.name}"
