"""Show one request as the card does, by the code on the machine's screen, also after it was decided.

First the verdict, then what the machine reports, where it asks from, the evidence, the approvals, the configuration,
and how the machine differs from the one that got this configuration before.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from bootgrant.cli.arguments import CODE_HELP, code_in
from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.client.queue import gets, verdict, verdict_color
from bootgrant.cli.output import Json, day, identity, printable, reporting, show, span
from bootgrant.cli.screen import BAD, GOOD, QUIET, WARN, Screen, add_color_argument, standard_output

_SIGNS: Final = {"match": ("✓", GOOD), "mismatch": ("▲", BAD), "unknown": ("-", QUIET)}
_COMPARED: Final = ("uuid", "serial", "mac")
_MOST_PAST: Final = 5
_LABEL: Final = 15
_CANNOT_BE_SERVED: Final = " cannot be served: "
"""In the problem of a machine that has an entry."""

Row = tuple[str, str, str]
"""A label, a text, and its color."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("code", metavar="CODE", help=CODE_HELP)
    add_color_argument(parser)
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    found = ask_api(args, "GET", f"grants/{quote(code_in(args.code), safe='')}")
    answer = ask_api(args, "GET", f"requests/{found['id']}")
    # Asked for by its whole code: the answer about the id may have only half of it.
    answer["request"]["code"] = found["code"]
    screen = standard_output(args.color)
    return show(answer, "\n".join(as_lines(answer["request"], answer["past"], screen)), as_json=args.json)


def as_lines(request: Json, past: Json, screen: Screen) -> Iterator[str]:
    """The request as lines for a screen."""
    name = request["entry"]["name"] if request["entry"] else "unknown machine"
    yield f"{printable(request['code'])}  {screen.paint(*_state(request, screen))}  {printable(name)}"
    for label, text, color in _rows(request, past, screen):
        yield from _wrapped(label, text, color, screen)


def _state(request: Json, screen: Screen) -> tuple[str, str]:
    if request["state"] == "pending":
        return verdict(request, screen), verdict_color(request)
    by = f" by {printable(request['decided_by'])}, {day(request['decided_at'])} UTC" if request["decided_by"] else ""
    return f"{request['state']}{by}", GOOD if request["state"] in ("approved", "redeemed", "delivered") else QUIET


def _rows(request: Json, past: Json, screen: Screen) -> Iterator[Row]:
    yield from _changes(request, past, screen)
    yield "machine", identity(request), ""
    network = f" ({printable(request['network'])})" if request["network"] else ""
    yield "from", f"{printable(request['address'])}{network}", ""
    expires = f"; the code expires in {span(request['left'])}" if request["state"] == "pending" else ""
    yield "requested", f"{day(request['opened_at'])} UTC, {span(request['age'])} ago{expires}", ""
    for number, check in enumerate(request["evidence"]):
        sign, color = _SIGNS[check["verdict"]]
        text = screen.sign(sign, f"{check['verdict']}: {printable(check['name'])}: {printable(check['detail'])}")
        yield "evidence" if not number else "", text, color if check["verdict"] == "mismatch" else ""
    yield "configuration", gets(request), ""
    yield from _entry(request)
    yield from _votes(request)
    if request["undelivered"]:
        yield "undelivered", printable(request["undelivered"]["message"]), WARN
    if request["reason"]:
        yield "reason", printable(request["reason"]), ""
    yield from _past(past)
    yield from _next(request)


def _changes(request: Json, past: Json, screen: Screen) -> Iterator[Row]:
    """What differs from the machine that got the last configuration."""
    if not past["deliveries"]:
        return
    last, now = past["deliveries"][0], request["identity"]
    differing = [name for name in _COMPARED if name in now and last["identity"].get(name, now[name]) != now[name]]
    if not differing:
        return
    text = f"{printable(last['entry'])} went to {printable(last['address'])}, {day(last['at'])} UTC, to another machine"
    yield "changed", screen.sign("▲", text), BAD
    for name in differing:
        yield "", f"{name} was {printable(last['identity'][name])}, is now {printable(now[name])}", BAD


def _entry(request: Json) -> Iterator[Row]:
    if request["problem"]:
        yield "problem", printable(request["problem"]), WARN
    entry = request["entry"]
    if entry and entry["revision"]:
        yield "revision", printable(entry["revision"]), ""
    if entry and entry["layers"]:
        yield "layers", printable(", ".join(entry["layers"])), ""
    if entry and entry["labels"]:
        yield "labels", printable(" ".join(f"{key}={value}" for key, value in entry["labels"].items())), ""


def _votes(request: Json) -> Iterator[Row]:
    if request["needed"] > 1 or request["votes"]:
        by = ", ".join(f"{printable(vote['by'])} at {day(vote['at'])} UTC" for vote in request["votes"])
        yield "approvals", f"{len(request['votes'])} of {request['needed']}{f': {by}' if by else ''}", ""
    for vote in request["void_votes"]:
        yield "", printable(vote["message"]), WARN


def _past(past: Json) -> Iterator[Row]:
    rows: list[tuple[float, str]] = [(one["at"], f"requested from {one['address']}") for one in past["requests"]]
    rows += [(one["at"], f"{one['entry']} delivered to {one['address']}") for one in past["deliveries"]]
    rows += [(one["at"], f"denied by {one['by']}: {one['reason']}") for one in past["denials"]]
    rows += [(one["at"], f"token used at {one['address']}, not {one['requested_from']}") for one in past["elsewhere"]]
    newest: list[Any] = sorted(rows, reverse=True)
    for number, (at, text) in enumerate(newest[:_MOST_PAST]):
        yield "history" if not number else "", f"{day(at)} UTC: {printable(text)}", ""
    if len(newest) > _MOST_PAST:
        yield "", f"and {len(newest) - _MOST_PAST} more", QUIET
    if not newest:
        yield "history", "this machine has not been seen before", ""


def _next(request: Json) -> Iterator[Row]:
    if request["state"] != "pending" or "*" in request["code"]:
        return
    if request["problem"] and _CANNOT_BE_SERVED in request["problem"]:
        yield "next", f"correct the configuration, then run bootgrant show {request['code']} again", QUIET
    elif request["problem"]:
        yield "next", f"bootgrant assign {request['code']} ENTRY, or add an entry that matches this machine", QUIET
    else:
        yield "next", f"bootgrant approve {request['code']}, or bootgrant deny {request['code']} --reason TEXT", QUIET


def _wrapped(label: str, text: str, color: str, screen: Screen) -> Iterator[str]:
    """The lines of one row, with the text next to its label."""
    width = max(screen.width - _LABEL - 2, 20) if screen.width else 0
    lines = textwrap.wrap(text, width, break_long_words=True, break_on_hyphens=False) if width else [text]
    for number, line in enumerate(lines):
        yield f"  {'' if number else label:{_LABEL}}{screen.paint(line, color)}"
