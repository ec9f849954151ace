"""`bootgrant pending --watch`: on a terminal a list that changes in place, elsewhere one line for each new request."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bootgrant.cli.client.queue import listed, row
from bootgrant.cli.output import Json, Refused, fail
from bootgrant.cli.screen import QUIET, WARN, Screen, standard_output

_EVERY: Final = 2.0
"""Seconds between two questions to the server."""
AWAY: Final = frozenset({"not_running", "no_answer", "no_connection", "store_unavailable"})
"""The errors while a server, its proxy, or its database restarts."""
_REMEMBERED: Final = 10_000
_AROUND: Final = 4
"""Lines of the screen that are not rows: the title, the heading, how many more there are, and one to spare."""


def _pause() -> None:
    time.sleep(_EVERY)


def watch(ask: Callable[[], Json], *, as_json: bool, color: str, pause: Callable[[], None] = _pause) -> int:
    """Ask again and again until Ctrl-C. Raises Refused if the server refuses, or does not answer the first time."""
    shown: _Lines | _List = _Lines(as_json=as_json)
    if not as_json and standard_output(color).can_move:
        shown = _List(color)
    shown.update(ask())
    is_away = False
    try:
        while True:
            pause()
            try:
                answer = ask()
            except Refused as refused:
                if refused.error not in AWAY:
                    raise
                if not is_away:
                    shown.lose()
                is_away = True
            else:
                if is_away:
                    shown.find()
                is_away = False
                shown.update(answer)
    finally:
        shown.close()


@dataclass(slots=True)
class _Lines:
    """For programs: each request once, oldest first."""

    as_json: bool
    seen: set[str] = field(default_factory=set)

    def update(self, answer: Json) -> None:
        waiting = {request["id"]: request for request in answer["pending"]}
        for key in sorted(waiting.keys() - self.seen):
            print(json.dumps(waiting[key]) if self.as_json else "  ".join(row(waiting[key], Screen())), flush=True)
        # Ids begin with the time, so the newest are the last.
        self.seen = set(sorted(self.seen | waiting.keys())[-_REMEMBERED:])

    def lose(self) -> None:
        fail("the server does not answer; waiting for it")

    def find(self) -> None:
        fail("the server answers again")

    def close(self) -> None:
        pass


@dataclass(slots=True)
class _List:
    """For people: the whole list, drawn over the one before it."""

    color: str
    drawn: list[str] = field(default_factory=list)
    size: tuple[int, int] = (0, 0)
    answer: Json = field(default_factory=dict)

    def update(self, answer: Json) -> None:
        self.answer = answer
        self._draw("")

    def lose(self) -> None:
        self._draw("the server does not answer; waiting for it")

    def find(self) -> None:
        """The next list says it, because it has no note."""

    def close(self) -> None:
        print()

    def _draw(self, note: str) -> None:
        size = shutil.get_terminal_size()
        lines = frame(self.answer, note, standard_output(self.color), size.lines, time.time())
        if self.drawn and size == self.size:
            # To the first line of what is there, and over it: a cleared screen would flicker.
            back = f"\x1b[{len(self.drawn) - 1}A" if len(self.drawn) > 1 else ""
            start = f"\r{back}"
        else:
            start = "\x1b[2J\x1b[H" if self.drawn else ""
        print(start + "\n".join(f"{line}\x1b[K" for line in lines), end="\x1b[J", flush=True)
        self.drawn, self.size = lines, (size.columns, size.lines)


def frame(answer: Json, note: str, screen: Screen, height: int, now: float) -> list[str]:
    """Return the lines of the list for a screen of this height."""
    waiting = answer["pending"]
    count = f"{len(waiting)}{' or more' if answer['next'] else ''}"
    state = {0: "no machines waiting", 1: "1 machine waiting"}.get(len(waiting), f"{count} machines waiting")
    clock = datetime.fromtimestamp(now, UTC).strftime("%H:%M:%S UTC")
    title = screen.cut(f"{state}, {clock}; Ctrl-C ends", screen.width)
    if note:
        title = screen.paint(screen.cut(f"{clock}: {note}", screen.width), WARN)
    shown = waiting[: max(1, height - _AROUND)]
    lines = [title, *(listed(shown, screen).splitlines() if shown else ())]
    if len(shown) < len(waiting):
        lines.append(screen.paint(f"and {len(waiting) - len(shown)} more", QUIET))
    return lines
