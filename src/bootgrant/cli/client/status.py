"""Show how the server is doing: what is waiting, what is wrong, which version and revision it serves.

The exit status is 0 if nothing is wrong. It is 1 if the configurations or an entry have a problem, background work
fails, a provider does not answer, the certificate has ended or ends within 14 days, or the server does not answer.
Waiting machines are not a problem.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from bootgrant.cli.client.asking import add_server_arguments, ask_api
from bootgrant.cli.client.queue import VERDICT_COLORS, VERDICT_SIGNS
from bootgrant.cli.output import Json, Refused, day, printable, reporting, span
from bootgrant.cli.screen import BAD, GOOD, Screen, add_color_argument, standard_output

_SOON: Final = 14 * 86400.0
_LABEL: Final = 16
_MOST_NAMES: Final = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_color_argument(parser)
    add_server_arguments(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    answer = ask_api(args, "GET", "status")
    pending = _pending(args)
    windows = ask_api(args, "GET", "windows")["windows"]
    wrong = problems(answer, _broken(args))
    if args.json:
        verdicts = Counter(request["standing"] for request in pending)
        oldest = min((request["opened_at"] for request in pending), default=None)
        more = {"verdicts": verdicts, "oldest": oldest, "open_windows": windows, "problems": wrong}
        print(json.dumps(answer | more))
    else:
        print("\n".join(as_lines(answer, pending, windows, wrong, standard_output(args.color))))
    return 1 if wrong else 0


def _pending(args: argparse.Namespace) -> list[Json]:
    """Return all waiting machines: the oldest one is on the last page."""
    page = ask_api(args, "GET", "pending")
    found: list[Json] = page["pending"]
    while page["next"]:
        page = ask_api(args, "GET", "pending", query=[("after", page["next"])])
        found += page["pending"]
    return found


def _broken(args: argparse.Namespace) -> list[str]:
    """Return the names of the entries that cannot be served, as far as this caller may see them."""
    try:
        entries = ask_api(args, "GET", "machines")["entries"]
    except Refused as refused:
        # The problem of configurations that cannot be read is in the status. An auditor may not see them.
        if refused.error in ("not_allowed", "no_config", "unknown"):
            return []
        raise
    return [entry["name"] for entry in entries if entry["state"] == "broken"]


def problems(answer: Json, broken: Sequence[str] = ()) -> list[str]:
    """Return what is wrong, each in one line. ``broken`` names the entries that cannot be served."""
    found = []
    if problem := answer["configurations"]["problem"]:
        since = answer["configurations"]["since"]
        found.append(f"configurations{f', since {day(since)} UTC' if since else ''}: {problem}")
    if broken:
        names = ", ".join([*broken[:_MOST_NAMES], *(["..."] if len(broken) > _MOST_NAMES else [])])
        count = f"{len(broken)} entries" if len(broken) > 1 else "1 entry"
        found.append(f"{count} cannot be served ({names}): `bootgrant machines show NAME` says why")
    # The first source is the configurations.
    found += [f"{source['name']}: {source['error']}" for source in answer["sources"][1:] if not source["ok"]]
    for chore in answer["chores"]:
        if not chore["ok"]:
            last = f"last success {day(chore['last_success'])} UTC" if chore["last_success"] else "no success yet"
            found.append(f"{chore['name']} fails ({last}): {chore['error'] or 'the log says why'}")
    end = answer["certificate_end"]
    if end is not None and end - answer["now"] < _SOON:
        verb = "has ended" if end <= answer["now"] else "ends"
        found.append(f"the server's certificate {verb} on {day(end)} UTC: renew it")
    return found


def as_lines(answer: Json, pending: list[Json], windows: list[Json], wrong: list[str], screen: Screen) -> Iterator[str]:
    """The status as lines for a screen."""
    for number, problem in enumerate(wrong):
        yield _line("wrong" if not number else "", screen.paint(screen.sign("▲", printable(problem)), BAD))
    if not wrong:
        yield _line("wrong", screen.paint(screen.sign("✓", "nothing"), GOOD))
    yield _line("waiting", _waiting(answer, pending, screen))
    for number, window in enumerate(windows):
        used = f"approved {window['used']} of {window['count']}, open until {day(window['until'])} UTC"
        select = " or ".join(window["select"])
        yield _line("windows" if not number else "", printable(f"{window['name']} ({select}): {used}"))
    if not windows:
        yield _line("windows", "none open")
    commit = f" ({answer['revision']})" if answer["revision"] else ""
    yield _line("version", printable(f"{answer['version']}{commit}"))
    taken = answer["configurations"]["taken_at"]
    revision = answer["configurations"]["revision"] or "a folder of finished files"
    yield _line("configurations", printable(f"{revision}{f', loaded {day(taken)} UTC' if taken else ''}"))
    yield _line("database", printable(_database(answer)))
    if answer["certificate_end"] is not None:
        yield _line("certificate", f"until {day(answer['certificate_end'])} UTC")


def _waiting(answer: Json, pending: list[Json], screen: Screen) -> str:
    """How many machines wait with each verdict, and how long the first one of them does."""
    if not pending:
        return f"{answer['waiting'] or 'no'} machines"
    count = max(answer["waiting"], len(pending))
    found = Counter(request["standing"] for request in pending)
    verdicts = [
        screen.paint(screen.sign(sign, f"{found[name]} {name}"), VERDICT_COLORS[name])
        for name, sign in VERDICT_SIGNS.items()
        if found[name]
    ]
    oldest = span(max(request["age"] for request in pending))
    return f"{count} machine{'s' if count != 1 else ''}: {', '.join(verdicts)}; the oldest for {oldest}"


def _database(answer: Json) -> str:
    replicas = answer["replicas"]
    servers = f", {replicas} server{'s' if replicas != 1 else ''}" if replicas is not None else ""
    return f"{answer['database']}{servers}"


def _line(label: str, text: str) -> str:
    return f"{label:{_LABEL}}{text}"
