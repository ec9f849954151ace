"""One waiting machine as a row: the columns of `bootgrant pending`, with a sign and a color for the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from bootgrant.cli.output import Json, identity, printable, span
from bootgrant.cli.screen import BAD, GOOD, QUIET, WARN, Screen
from bootgrant.machines.site.findings import named_fields

HEAD: Final = ("CODE", "AGE", "LEFT", "VERDICT", "FROM", "EVIDENCE", "CONFIGURATION", "REPORTED BY THE MACHINE")
VERDICT_SIGNS: Final = {"expected": "✓", "mismatch": "▲", "pattern": "≈", "assigned": "+", "unknown": "?"}
VERDICT_COLORS: Final = {"expected": GOOD, "mismatch": BAD, "pattern": WARN, "assigned": WARN, "unknown": QUIET}
_LEFT, _VERDICT, _EVIDENCE = 2, 3, 5
_WHOLE: Final = 5
"""The columns that are never cut: those before the evidence."""
_SOON: Final = 60.0
_WIDE: Final = 120


def listed(waiting: Sequence[Json], screen: Screen) -> str:
    """The waiting machines as a table."""
    return screen.table(HEAD, [row(one, screen) for one in waiting], [colors(one) for one in waiting], _WHOLE)


def row(request: Json, screen: Screen) -> tuple[str, ...]:
    """The cells of one machine. The identity is last, because it may be long."""
    where = printable(" ".join(part for part in (request["address"], request["network"]) if part))
    times = (span(request["age"]), span(request["left"]))
    is_short = 0 < screen.width < _WIDE
    said = (verdict(request, screen, is_short=is_short), where, _evidence(request["evidence"]), gets(request))
    return printable(request["code"]), *times, *said, identity(request)


def colors(request: Json) -> Mapping[int, str]:
    """The colors of the cells of a row."""
    found = {_VERDICT: verdict_color(request)}
    if any(check["verdict"] == "mismatch" for check in request["evidence"]):
        found[_EVIDENCE] = BAD
    if request["left"] < _SOON:
        found[_LEFT] = WARN
    return found


def verdict_color(request: Json) -> str:
    return VERDICT_COLORS.get(request["standing"] or "", "")


def verdict(request: Json, screen: Screen, *, is_short: bool = False) -> str:
    """The standing as pages show it, or in one word, and whether another request reports the same machine."""
    by = request["assigned_by"]
    words = {"pattern": "matched by pattern", "assigned": f"assigned by {by}"}.get(request["standing"])
    if is_short:
        words = None
    text = printable(words or request["standing"]) + (", not unique" if request["alike"] else "")
    return screen.sign(VERDICT_SIGNS.get(request["standing"], "?"), text)


def gets(request: Json) -> str:
    """The entry of a machine and how it was found, and what its approval needs."""
    entry = request["entry"]
    is_known = request["assigned_by"] or request["state"] != "pending"
    how = "" if is_known or not entry else f" (by {entry['matched']})"
    text = printable(f"{entry['name']}{how}" if entry else _without_entry(request))
    if request["needed"] > 1:
        text += f", {len(request['votes'])} of {request['needed']} approvals"
    if entry and entry.get("precious"):
        text += f", has keys: {printable(named_fields(entry['precious']))}"
    if request["void_votes"]:
        text += f", {len(request['void_votes'])} void"
    return text


def _without_entry(request: Json) -> str:
    """Why a machine cannot be approved yet: its entry cannot be served, or it has none. `show CODE` says more."""
    return f"nothing yet: {request['problem'].partition(': ')[0] or 'no configuration'}"


def _evidence(checks: list[Json]) -> str:
    """The mismatches, or else the matches."""
    against = [check["name"] for check in checks if check["verdict"] == "mismatch"]
    names = against or [check["name"] for check in checks if check["verdict"] == "match"]
    text = ", ".join(dict.fromkeys(printable(name) for name in names))
    return f"MISMATCH: {text}" if against else text or "unknown"
