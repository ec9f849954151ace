"""``bootgrant revoke --by NAME --since TIME``: undo what a person approved, end what they could still act with."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from typing import Final

from bootgrant.approval.moments import EXAMPLES, BadMoment, in_zone, read_moment
from bootgrant.cli.client.asking import ask_api
from bootgrant.cli.output import Json, Refused, day, identity, printable, show

_TAKEN: Final = {"vote": "vote withdrawn", "approval": "approval revoked", "token": "approval and token revoked"}
_TO_TAKE: Final = {
    "vote": "the vote would be withdrawn",
    "approval": "the approval would be revoked",
    "token": "the approval and its token would be revoked",
}
_PARTS: Final = ("sessions", "windows", "tokens")


def add_undo_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of an undo to those of `bootgrant revoke`."""
    parser.add_argument("--by", metavar="NAME", help="undo what this person approved, and their windows; needs --since")
    parser.add_argument(
        "--since", metavar="TIME", help=f"{EXAMPLES} (12:00 is today in this computer's zone; without a zone is UTC)"
    )
    parser.add_argument("--dry-run", action="store_true", help="list what would be undone, and change nothing")
    parser.add_argument("--sessions", action="store_true", help="end the person's sessions too")
    parser.add_argument("--windows", action="store_true", help="close their armed windows too")
    parser.add_argument(
        "--tokens", action="store_true", help="revoke their API tokens too, and those they created since then"
    )
    parser.add_argument("--all", action="store_true", help="--sessions --windows --tokens")


def undo(args: argparse.Namespace) -> int:
    """Undo, or list what would be undone. Raises Refused."""
    if not args.by or args.since is None:
        raise Refused("incomplete", "an undo needs a person and a time: bootgrant revoke --by ana --since 12:00")
    if args.code is not None:
        raise Refused("usage", "either name a machine's code, or a person with --by and --since")
    try:
        since = read_moment(args.since, time.time(), None)
    except BadMoment as error:
        raise Refused("usage", f"--since: {error}") from error
    chosen = {part: args.all or getattr(args, part) for part in _PARTS}
    answer = ask_api(args, "POST", "undo", {"by": args.by, "since": since, "dry_run": args.dry_run, **chosen})
    return show(answer, "\n".join(_report(answer, chosen, preview=args.dry_run)), as_json=args.json)


def _report(answer: Json, chosen: dict[str, bool], *, preview: bool) -> Iterator[str]:
    """The lines that say what was undone, or in a preview what would be."""
    name, since = printable(answer["by"]), in_zone(answer["since"], None)
    yield f"{'would be undone' if preview else 'undone'}: what {name} approved since {since}"
    words = _TO_TAKE if preview else _TAKEN
    approvals = [each for each in answer["approvals"] if each["given"] != "configuration"]
    for each in approvals:
        yield f"  {words[each['given']]}: {_machine(each)}"
    if not approvals:
        yield "  no approvals that can be revoked"
    delivered = [each for each in answer["approvals"] if each["given"] == "configuration"]
    for each in delivered:
        last = each["deliveries"][-1]
        where = f"{printable(last['address'])}, {day(last['at'])} UTC"
        yield f"  already delivered: change its keys: {_machine(each)}, delivered to {where}"
    yield from _ends(answer, chosen, preview=preview)
    for account in answer["accounts"]:
        yield f"{printable(account)} can sign in until you run: bootgrant operators disable {printable(account)}"


def _ends(answer: Json, chosen: dict[str, bool], *, preview: bool) -> Iterator[str]:
    """The lines about sessions, windows, and tokens."""
    verbs = {"sessions": "session ended", "windows": "window closed", "tokens": "API token revoked"}
    for part, described in (("sessions", _session), ("windows", _window), ("tokens", _token)):
        verb = verbs[part]
        if preview:
            verb = verb if chosen[part] else f"with --{part}: {verb}"
        for each in answer[part]:
            yield f"  {verb}: {printable(described(each))}"


def _machine(approval: Json) -> str:
    entry = f" as {printable(approval['entry'])}" if approval["entry"] else ""
    return f"{identity(approval)}{entry}, by {printable(approval['by'])}, {day(approval['at'])} UTC"


def _session(session: Json) -> str:
    return f"{session['operator']} ({session['via']}) from {session['address']}, since {day(session['created_at'])} UTC"


def _window(window: Json) -> str:
    left = window["count"] - window["used"]
    return f"{window['name']} ({' or '.join(window['select'])}), {left} of {window['count']} left"


def _token(token: Json) -> str:
    return f"{token['name']} ({token['role']}), created by {token['created_by']}"
