"""The commands that manage operators and API tokens, through the running server or, while none runs, its database."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from bootgrant.approval.operators import Role
from bootgrant.cli.arguments import LIFETIME_LIMITS, seconds_in
from bootgrant.cli.client.asking import add_server_arguments, ask_api, is_elsewhere, read_answer, user_header
from bootgrant.cli.output import Json, Refused, day, fail, reporting, show, table

_OPERATORS = ("NAME", "ROLE", "LABELS", "KIND", "STATE", "CREATED (UTC)", "LAST SEEN (UTC)")
_TOKENS = ("NAME", "ROLE", "LABELS", "CREATED BY", "CREATED (UTC)", "VALID UNTIL (UTC)", "LAST USED (UTC)")

_STARTING: Final = 30.0
"""Seconds to wait for a server that has the data folder and does not answer yet."""
_PAUSE: Final = 0.2


def _ask(args: argparse.Namespace, method: str, path: str, members: Mapping[str, Any] | None = None) -> Json:
    """Send a request about operators or tokens below ``/api/v1/`` and return the answer. Raises Refused."""
    if members and "password" in members and is_elsewhere(args):
        reason = "a password can only be chosen on the server itself; from elsewhere one is generated and shown once"
        raise Refused("usage", reason)
    until, has_said = time.monotonic() + _STARTING, False
    while True:
        try:
            return ask_api(args, method, path, members)
        except Refused as refused:
            if refused.error != "not_running":
                raise
        try:
            return _ask_database(args.config, method, path, members)
        except Refused as refused:
            if refused.error != "in_use" or time.monotonic() > until:
                raise
        if not has_said:
            fail(f"a server is starting or stopping: waiting for it, at most {_STARTING:.0f} s")
            has_said = True
        time.sleep(_PAUSE)


def _ask_database(config: Path, method: str, path: str, members: Mapping[str, Any] | None) -> Json:
    from bootgrant.ports.grants import FolderInUse, StoreUnavailable
    from bootgrant.service.parts.people import ask_database
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        site = load_site(config, os.environ)
        answer = asyncio.run(ask_database(site, method, f"/api/v1/{path}", members, user_header()))
    except FolderInUse as error:
        raise Refused("in_use", str(error)) from error
    except (SettingsError, StoreUnavailable) as error:
        raise Refused("no_database", str(error)) from error
    return read_answer(answer.status_code, answer.content)


def _add_rights(parser: argparse.ArgumentParser, default_role: str | None) -> None:
    """Add ``--role`` (required without ``default_role``) and ``--label``."""
    meaning = "viewer: see; auditor: see all but configurations; approver: see and decide; admin: everything"
    parser.add_argument(
        "--role", choices=[role.value for role in Role], default=default_role, required=default_role is None,
        help=f"{meaning} (default: %(default)s)" if default_role else meaning,
    )  # fmt: skip
    parser.add_argument(
        "--label", action="append", default=[], metavar="KEY=VALUE",
        help="only machines with this label, such as site=fra; repeat it for more: --label site=fra --label site=ams",
    )  # fmt: skip


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the name, as `list` shows it")


def _add_password(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--ask-password", action="store_true", help="type a password instead of having one generated")
    how.add_argument("--password-file", type=Path, metavar="FILE", help="a file whose first line is the password")
    add_server_arguments(parser)


def _add_operators(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="add|list|set|disable|enable|reset", required=True)
    add = verbs.add_parser("add", help="add an operator", allow_abbrev=False)
    add.add_argument("name", metavar="NAME", help="the name of the new operator")
    _add_rights(add, "approver")
    add.add_argument(
        "--break-glass",
        action="store_true",
        help="for emergencies: always signs in here, with only a generated password; marked in the audit",
    )
    _add_password(add)
    add_server_arguments(verbs.add_parser("list", help="list all operators", allow_abbrev=False))
    change = verbs.add_parser("set", help="change the role and the labels", allow_abbrev=False)
    _add_name(change)
    _add_rights(change, None)
    change.add_argument("--every-machine", action="store_true", help="remove the limits that --label set")
    add_server_arguments(change)
    for verb, meaning in (("disable", "disable at once; sessions end"), ("enable", "enable again")):
        one = verbs.add_parser(verb, help=meaning, allow_abbrev=False)
        _add_name(one)
        add_server_arguments(one)
    reset = verbs.add_parser("reset", help="set a new password; passkeys are removed, sessions end", allow_abbrev=False)
    _add_name(reset)
    _add_password(reset)


@reporting
def _operators(args: argparse.Namespace) -> int:
    """Manage operators: who may sign in to the pages, and what they may do there.

      bootgrant operators add ana --role approver --label site=fra    add an operator; the password is shown once
      bootgrant operators list                                        list all operators
      bootgrant operators set ana --role admin                        change the role; --label: change the limits
      bootgrant operators disable ana                                 disable at once; `enable` reverses it
      bootgrant operators reset ana                                   set a new password and remove the passkeys

    These work whether or not the server runs. People who sign in through a provider ([[oidc]]) are added automatically.
    """
    if args.verb == "list":
        answer = _ask(args, "GET", "operators")
        return show(answer, table(_OPERATORS, list(map(_operator, answer["operators"]))), as_json=args.json)
    try:
        members = _operator_members(args)
    except (OSError, ValueError) as error:
        raise Refused("no_password", str(error)) from error
    path = f"operators/{quote(args.name, safe='', errors='surrogateescape')}"
    match args.verb:
        case "add":
            answer = _ask(args, "POST", "operators", {**members, "name": args.name})
        case "set":
            answer = _ask(args, "PATCH", path, members)
        case verb:
            answer = _ask(args, "POST", f"{path}/{verb}", members or None)
    return show(answer, _operator_outcome(args, answer), as_json=args.json)


def _operator_members(args: argparse.Namespace) -> dict[str, Any]:
    """The members of the request, except the name. Raises OSError and ValueError if there is no usable password."""
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


def _password(args: argparse.Namespace) -> dict[str, str]:
    """The member with the password, or none to have one generated. Raises OSError and ValueError."""
    if args.password_file:
        return {"password": args.password_file.read_text("utf-8").partition("\n")[0].rstrip("\r")}
    if not args.ask_password:
        return {}
    if not os.isatty(sys.stdin.fileno()):
        raise ValueError("--ask-password needs a terminal: in a script use --password-file, or have one generated")
    first, second = getpass.getpass(f"Password for {args.name}: "), getpass.getpass("Repeat it: ")
    if first != second:
        raise ValueError("the two passwords differ, so nothing was changed")
    return {"password": first}


def _operator(operator: Json) -> tuple[str, ...]:
    state = "active" if operator["disabled_at"] is None else f"disabled {day(operator['disabled_at'])}"
    if operator.get("disabled_by"):
        state += f" by the {operator['disabled_by']}"
    days = (day(operator["created_at"]), day(operator["seen_at"]))
    return (operator["name"], operator["role"], _labels(operator), operator["kind"], state, *days)


def _operator_outcome(args: argparse.Namespace, answer: Json) -> str:
    done = {"add": "added", "set": "changed", "disable": "disabled", "enable": "enabled", "reset": "reset"}[args.verb]
    if answer.get("password"):
        return f"{done} {args.name}; the password is {answer['password']} (shown once: keep it now)"
    match answer.get("void_approvals", 0):
        case 0:
            return f"{done} {args.name}"
        case 1:
            return f"{done} {args.name}; 1 undelivered approval became void: that machine asks again"
        case count:
            return f"{done} {args.name}; {count} undelivered approvals became void: those machines ask again"


def _add_tokens(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="verb", metavar="add|list|revoke", required=True)
    add = verbs.add_parser("add", help="create a token", allow_abbrev=False)
    add.add_argument("name", metavar="NAME", help="what uses it, such as ci or grafana")
    _add_rights(add, "viewer")
    add.add_argument(
        "--for", dest="seconds", default="90d", metavar="TIME",
        type=seconds_in("hd", "12h or 90d", most=366 * 86400, limits=LIFETIME_LIMITS),
        help="its lifetime, such as 12h or 90d; at most 366d (default: %(default)s)",
    )  # fmt: skip
    add_server_arguments(add)
    add_server_arguments(verbs.add_parser("list", help="list all tokens", allow_abbrev=False))
    revoke = verbs.add_parser("revoke", help="revoke a token at once", allow_abbrev=False)
    _add_name(revoke)
    add_server_arguments(revoke)


@reporting
def _tokens(args: argparse.Namespace) -> int:
    """Manage API tokens for programs, each with its own role.

      bootgrant tokens add ci --role approver --label site=fra --for 90d    create a token; it is shown once
      bootgrant tokens list                                                 list tokens, their end, and their last use
      bootgrant tokens revoke ci                                            revoke a token

    These work whether or not the server runs.
    """
    if args.verb == "list":
        answer = _ask(args, "GET", "tokens")
        rows = list(map(_token, answer["tokens"]))
        return show(answer, table(_TOKENS, rows) if rows else "there are no tokens", as_json=args.json)
    if args.verb == "add":
        members = {"name": args.name, "role": args.role, "labels": args.label, "seconds": args.seconds}
        answer = _ask(args, "POST", "tokens", members)
    else:
        answer = _ask(args, "DELETE", f"tokens/{quote(args.name, safe='', errors='surrogateescape')}")
    return show(answer, _token_outcome(args, answer), as_json=args.json)


def _token(token: Json) -> tuple[str, ...]:
    until = f"expired {day(token['expires_at'])}" if token["expired"] else day(token["expires_at"])
    days = (day(token["created_at"]), until, day(token["used_at"]))
    return (token["name"], token["role"], _labels(token), token["created_by"], *days)


def _token_outcome(args: argparse.Namespace, answer: Json) -> str:
    if args.verb == "revoke":
        return f"revoked {args.name}"
    until = day(answer["about"]["expires_at"])
    return f"{answer['token']}\ncreated {args.name}, valid until {until} UTC (shown once: keep it now)"


def _labels(one: Json) -> str:
    return " ".join(one["labels"]) or "every machine"


COMMANDS: Final = {"operators": (_add_operators, _operators), "tokens": (_add_tokens, _tokens)}
