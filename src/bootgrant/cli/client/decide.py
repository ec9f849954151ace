"""The commands that decide: approve, deny, undeny, revoke, assign, unassign, arm, disarm.

Their exit status is 0 only when everything that was asked for took effect.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from typing import Final

from bootgrant.cli.arguments import CODE_HELP, code_in, seconds_in
from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.client.undo import add_undo_arguments, undo
from bootgrant.cli.output import Json, Refused, day, identity, printable, reporting, show, table

_ASSIGNED = ("ENTRY", "BY", "SINCE (UTC)", "MACHINE")
_WINDOWS = ("NAME", "SELECTS", "NETWORKS", "EVIDENCE", "APPROVED", "OPEN UNTIL (UTC)", "BY")
_VARIABLES = ("uuid", "serial", "mac")


def _add_approve(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codes", metavar="CODE", nargs="+", help=f"{CODE_HELP}; several are approved together")
    add_server_arguments(parser)


@reporting
def _approve(args: argparse.Namespace) -> int:
    """Approve machines, by the codes on their screens. The exit status is 0 only if every approval took effect.

    Several are approved together only if an entry names each of them exactly, nothing contradicts it, and it needs one
    person. Approve each of the others by a command of its own.
    """
    if len(args.codes) == 1:
        return _decide(args, args.codes[0], "approve", "approved")
    answer = ask_api(args, "POST", "approve", {"codes": list(map(code_in, args.codes))})
    if args.json:
        print(json.dumps(answer))
    else:
        for code in answer["approved"]:
            machine = answer["machines"][code]
            print(f"approved {printable(code)} ({identity(machine)}): it gets {printable(machine['entry'])}")
        for code, refusal in answer["refused"].items():
            machine = answer["machines"].get(code)
            which = f"{printable(code)} ({identity(machine)})" if machine else printable(code)
            print(f"bootgrant: {which}: {printable(refusal['message'])}", file=sys.stderr)
    return 1 if answer["refused"] else 0


def _add_deny(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help=CODE_HELP)
    parser.add_argument("--reason", required=True, metavar="TEXT", help="one line, shown on the machine's console")
    add_server_arguments(parser)


@reporting
def _deny(args: argparse.Namespace) -> int:
    """Deny a machine, by the code on its screen. The exit status is 0 only if the denial took effect."""
    return _decide(args, args.code, "deny", "denied", reason=args.reason)


def _add_undeny(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "code", metavar="CODE", help="the code that was denied: `bootgrant pending --denied` lists them"
    )
    add_server_arguments(parser)


@reporting
def _undeny(args: argparse.Namespace) -> int:
    """Take a denial back, by the code that was denied: the machine may ask at once and then shows a new code.

    A Talos node asks again by itself within 90 seconds. `bootgrant acquire` waits as long as the denial said; restart
    it to ask at once. The exit status is 0 only if the machine was refused and no longer is.
    """
    return _decide(args, args.code, "undeny", "took back the denial of")


def _add_revoke(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", nargs="?", help=CODE_HELP)
    add_undo_arguments(parser)
    add_server_arguments(parser)


@reporting
def _revoke(args: argparse.Namespace) -> int:
    """Revoke an approval, by the code that the machine showed, or everything that one person approved.

      bootgrant revoke CODE                                     the approval of one machine; its token becomes invalid
      bootgrant revoke --by ana --since 12:00 --dry-run         list what ana approved since noon; nothing is changed
      bootgrant revoke --by ana --since 2h --all                undo it, and end her sessions, windows, and API tokens

    A machine keeps the configuration it already downloaded: it is listed, and you have to change its keys. The exit
    status is 0 only if the approval was revoked, or with --by, if the server finished the undo.
    """
    if args.by is not None or args.since is not None:
        return undo(args)
    if args.dry_run or args.sessions or args.windows or args.tokens or args.all:
        raise Refused("usage", "--dry-run, --sessions, --windows, --tokens, and --all need --by and --since")
    if args.code is None:
        raise Refused("incomplete", "name a machine's code, or a person and a time: --by ana --since 12:00")
    return _decide(args, args.code, "revoke", "revoked the approval of")


def _decide(args: argparse.Namespace, code: str, verb: str, done: str, **members: str) -> int:
    """Ask for a decision on ``code`` and print the outcome."""
    answer = ask_api(args, "POST", verb, {"code": code_in(code), **members})
    status = show(answer, _outcome(answer, done), as_json=args.json)
    return 1 if answer.get("also_denied") else status


def _outcome(answer: Json, done: str) -> str:
    gets = f": it gets {printable(answer['entry']['name'])}" if answer["state"] == "approved" else ""
    if answer["state"] == "pending":
        done = "recorded your approval of"
        gets = f": {len(answer['votes'])} of {answer['needed']}, the machine is still waiting"
    if answer["state"] == "denied":
        until = answer.get("refused_until")
        gets = f": it is refused until {day(until)} UTC, or until `bootgrant undeny`" if until else ": it may ask again"
        if also := answer.get("also_denied"):
            gets = f": it is still refused, because {printable(also['by'])} denied another request of it"
    return f"{done} {answer['code']} ({identity(answer)}){gets}"


def _add_assign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", nargs="?", metavar="CODE", help=CODE_HELP)
    parser.add_argument("entry", nargs="?", metavar="ENTRY", help="the name of the entry")
    parser.add_argument("--list", action="store_true", help="list the assigned entries")
    add_server_arguments(parser)


@reporting
def _assign(args: argparse.Namespace) -> int:
    """Assign an entry to a machine that has none, by the code on its screen.

      bootgrant assign WDJB-MJHT worker-17     the machine still has to be approved
      bootgrant assign --list

    The server remembers it for the machine's uuid, serial, and mac until `bootgrant unassign`.
    """
    if args.list:
        answer = ask_api(args, "GET", "assignments")
        rows = [(one["entry"], one["by"], day(one["at"]), identity(one)) for one in answer["assignments"]]
        return show(answer, table(_ASSIGNED, rows) if rows else "no entries are assigned", as_json=args.json)
    if not args.code or not args.entry:
        raise Refused("incomplete", "name the machine and the entry: bootgrant assign CODE ENTRY")
    answer = ask_api(args, "POST", "assign", {"code": code_in(args.code), "entry": args.entry})
    text = f"{identity(answer)} gets {printable(answer['entry'])}; now approve it: bootgrant approve {args.code}"
    return show(answer, text, as_json=args.json)


def _add_unassign(parser: argparse.ArgumentParser) -> None:
    for name in _VARIABLES:
        parser.add_argument(f"--{name}", default="", metavar=name.upper(), help=f"the machine's {name}")
    add_server_arguments(parser)


@reporting
def _unassign(args: argparse.Namespace) -> int:
    """Remove the entry that was assigned to a machine. Earlier approvals are not affected."""
    members = {name: value for name in _VARIABLES if (value := getattr(args, name))}
    answer = ask_api(args, "POST", "unassign", members)
    return show(answer, f"{identity(answer)} no longer gets {printable(answer['entry'])}", as_json=args.json)


def _add_arm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("selector", nargs="*", metavar="SELECTOR", help="labels and names, such as site=fra,worker-*")
    parser.add_argument(
        "--for", dest="seconds", metavar="TIME",
        type=seconds_in("mhd", "30m, 2h, or 1d", most=7 * 86400, limits="a window stays open for at most 7 days"),
        help="how long the window stays open: 30m, 2h, 1d; at most 7d",
    )  # fmt: skip
    parser.add_argument("--count", type=int, metavar="N", help="how many machines")
    parser.add_argument(
        "--network", action="append", default=[], metavar="NET", help="only from here: 10.20.4.0/24, or a named network"
    )
    parser.add_argument(
        "--evidence", action="append", default=[], metavar="NAME",
        help="only if this evidence matches: network, inventory, history, or your own command",
    )  # fmt: skip
    parser.add_argument("--name", default="", metavar="NAME", help="its name in the audit (default: a short number)")
    parser.add_argument("--force", action="store_true", help="arm it even if a selector fits no entry")
    parser.add_argument("--list", action="store_true", help="list the open windows")
    add_server_arguments(parser)


@reporting
def _arm(args: argparse.Namespace) -> int:
    """Approve a number of machines automatically, for a while.

      bootgrant arm site=fra,role=worker --for 2h --count 12
      bootgrant arm 'rack4-*' --for 30m --count 40 --network fra-rack4 --evidence inventory,history --name rack4
      bootgrant arm --list

    A selector is a comma-separated list of labels and entry names that must all match; with several selectors, any of
    them may match. A selector that fits no entry is refused, unless you use --force. A machine with a mismatch in its
    evidence is never approved automatically, nor is a control plane or anything else that needs two people, a machine
    whose entry a person assigned, or one that cannot be distinguished from another. To leave out machines that only a
    pattern matches, add --evidence inventory.
    """
    if args.list:
        answer = ask_api(args, "GET", "windows")
        rows = [_window(window) for window in answer["windows"]]
        return show(answer, table(_WINDOWS, rows) if rows else "no windows are open", as_json=args.json)
    if not args.selector or args.seconds is None or args.count is None:
        example = "bootgrant arm site=fra,role=worker --for 2h --count 12"
        raise Refused("incomplete", f"name the machines, a time, and a count: {example}")
    members: dict[str, object] = {
        "select": args.selector,
        "seconds": args.seconds,
        "count": args.count,
        "networks": _words(args.network),
        "evidence": _words(args.evidence),
        "name": args.name,
    }
    if args.force:
        # Only then: earlier servers do not know it.
        members["force"] = True
    answer = ask_api(args, "POST", "arm", members)
    text = (
        f"armed {printable(answer['name'])}: up to {answer['count']} machines with {_select(answer)} are approved "
        f"automatically until {day(answer['until'])} UTC; control planes, and whatever needs two people, still wait. "
        f"Close it with: bootgrant disarm {printable(answer['name'])}"
    )
    return show(answer, text, as_json=args.json)


def _window(window: Json) -> tuple[str, ...]:
    left = max(0, int(window["until"] - time.time()) // 60)
    networks, evidence = ", ".join(window["networks"]), ", ".join(window["evidence"])
    approved, until = f"{window['used']} of {window['count']}", f"{day(window['until'])} ({left} min)"
    conditions = (_select(window), networks or "anywhere", evidence or "no mismatch")
    return (window["name"], *conditions, approved, until, window["by"])


def _select(window: Json) -> str:
    return printable(" or ".join(window["select"]))


def _words(given: list[str]) -> list[str]:
    return [word for text in given for word in re.split(r"[,\s]+", text) if word]


def _add_disarm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the window's name or number, from `bootgrant arm --list`")
    add_server_arguments(parser)


@reporting
def _disarm(args: argparse.Namespace) -> int:
    """Close an armed window early. Machines that it approved stay approved."""
    answer = ask_api(args, "POST", "disarm", {"name": args.name})
    text = f"closed {printable(answer['name'])}; it approved {answer['used']} of {answer['count']}"
    return show(answer, text, as_json=args.json)


COMMANDS: Final = {
    "approve": (_add_approve, _approve),
    "deny": (_add_deny, _deny),
    "undeny": (_add_undeny, _undeny),
    "revoke": (_add_revoke, _revoke),
    "assign": (_add_assign, _assign),
    "unassign": (_add_unassign, _unassign),
    "arm": (_add_arm, _arm),
    "disarm": (_add_disarm, _disarm),
}
