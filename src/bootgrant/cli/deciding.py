"""Approving and denying by command: what is asked of the server, and how it is said that it went well or not."""

from __future__ import annotations

import argparse
import json
import sys

from bootgrant.cli.admin_socket import Json, Refused, identity, printable, report
from bootgrant.cli.remote import ask_api


def decide(args: argparse.Namespace, code: str, verb: str, done: str, **members: str) -> int:
    """Ask for a decision on ``code`` and say how it went: the exit status is 0 only when it took effect."""
    answer = ask_api(args, "POST", verb, {"code": code, **members})
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    print(json.dumps(answer) if args.json else _told(answer, done))
    return 0


def approve_many(args: argparse.Namespace) -> int:
    """Ask for all of ``args.codes`` at once; the exit status is 0 only when every one was approved."""
    answer = ask_api(args, "POST", "approve", {"codes": args.codes})
    if isinstance(answer, Refused):
        return report(answer, as_json=args.json)
    if args.json:
        print(json.dumps(answer))
    else:
        for code in answer["approved"]:
            print(f"approved {printable(code)}")
        for code, refusal in answer["refused"].items():
            print(f"bootgrant: {printable(code)}: {printable(refusal['message'])}", file=sys.stderr)
    return 1 if answer["refused"] else 0


def _told(answer: Json, done: str) -> str:
    gets = f": it gets {printable(answer['entry']['name'])}" if answer["state"] == "approved" else ""
    if answer["state"] == "pending":
        done, gets = "your approval is noted for", f": {len(answer['votes'])} of {answer['needed']}, it still waits"
    return f"{done} {answer['code']} ({identity(answer)}){gets}"
