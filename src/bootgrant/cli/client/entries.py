"""What a server knows of the entries: `machines list` with states and last deliveries, and `machines show NAME`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import quote

from bootgrant.cli.client.asking import ask_api
from bootgrant.cli.output import Json, Refused, day, identity, printable, reporting, show, table

_HEAD: Final = ("NAME", "STATE", "IS", "LABELS", "LAST DELIVERY (UTC)", "TO", "MACHINE")
_EVENTS: Final = ("WHEN (UTC)", "WHAT", "BY", "FROM", "REASON")
_STATES: Final[Mapping[str, str]] = {
    "broken": "broken",
    "waiting": "waiting",
    "approved": "approved, downloading",
    "delivered": "delivered",
    "assigned": "assigned",
    "new": "never delivered",
}
_CHANGES: Final[Mapping[str, str]] = {
    "never": "nothing was delivered yet",
    "same": "no changes since the last delivery",
    "shown": "changed since the last delivery (secrets and free text are redacted on both sides):",
    "hidden": "only hidden values have changed since the last delivery",
    "made": "the visible part has not changed since the last delivery; values made at delivery are not compared",
    "unknown": "changed since the last delivery, of which no preview was kept",
    "broken": "it cannot be made now",
}


def ask_entries(args: argparse.Namespace) -> Json:
    """Return the server's answer about all entries with the labels. Raises Refused."""
    return ask_api(args, "GET", "machines", query=[("label", label) for label in args.label])


def entries_text(answer: Json) -> str:
    """Return the entries as a table, or "" if there are none."""
    rows = [_row(entry) for entry in answer["entries"]]
    return table(_HEAD, rows) if rows else ""


def _row(entry: Json) -> tuple[str, ...]:
    last = entry["last_delivery"]
    where = (day(last["at"]), last["address"], identity(last)) if last else ("", "", "")
    return entry["name"], _state(entry), entry["machine_type"], _labels(entry), *where


def _state(entry: Json) -> str:
    if entry["state"] == "assigned":
        return f"assigned by {entry['assigned_by']}"
    return _STATES.get(entry["state"], entry["state"])


def _labels(entry: Json) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(entry["labels"].items()))


@reporting
def show_entry(args: argparse.Namespace) -> int:
    """Print one entry: its state, its last delivery, its history, and what has changed."""
    path = f"entries/{quote(args.name, safe='')}"
    answer = ask_api(args, "GET", path)
    try:
        made = ask_api(args, "GET", f"{path}/configuration")
    except Refused as refused:
        made = {"text": None, "changes": None}
        why = str(refused)
    else:
        why = ""
    answer |= {"text": made["text"], "changes": made["changes"]}
    return show(answer, "\n".join(_lines(answer, why)), as_json=args.json)


def _lines(answer: Json, why: str) -> Iterator[str]:
    entry, last = answer["entry"], answer["entry"]["last_delivery"]
    yield printable(f"{entry['name']}: {_state(entry)}")
    yield from (printable(f"  {line}") for line in (entry["machine_type"], _labels(entry)) if line)
    if entry["problem"]:
        yield printable(f"  {entry['problem']}")
    if last:
        yield printable(f"  last delivery {day(last['at'])} UTC to {last['address']}: ") + identity(last)
    for one in answer["assignments"]:
        yield f"  assigned to {identity(one)} by {printable(one['by'])}, {day(one['at'])} UTC"
    if answer["changes"] is None:
        yield printable(f"its configuration is not shown: {why}")
    else:
        yield from _changes(answer["changes"])
    if answer["events"]:
        yield table(_EVENTS, [_event(event) for event in answer["events"]])


def _changes(changes: Json) -> Iterator[str]:
    detail = f": {changes['problem']}" if changes["problem"] else ""
    yield printable(f"{_CHANGES.get(changes['what'], changes['what'])}{detail}")
    yield from (printable(line) for line in changes["lines"])
    if changes["more"]:
        yield f"and {changes['more']} more lines"
    if changes["made"] and changes["what"] != "made":
        yield printable(f"values made at delivery are not compared: {changes['made']}")


def _event(event: Json) -> tuple[str, ...]:
    when = event["at"][:16].replace("T", " ")
    return when, event["kind"], event.get("actor", ""), event.get("address", ""), event.get("reason", "")
