"""A screen: a QR code that fits the window, and a line below it that counts down until the code expires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TextIO

from bootgrant.acquire.console import Prompt, QrChoice, qr, window_size, wording
from bootgrant.acquire.console.lines import write_line
from bootgrant.acquire.console.wording import escape

SMALLEST: Final = (80, 24)
"""Columns and rows if the terminal does not report its size."""
LIGHT_ON_DARK: Final = "\x1b[97;40m"
"""Makes the code readable in a window with a light background."""
DEFAULT_COLOURS: Final = "\x1b[0m"
FILLED: Final = "\x1b[7m  \x1b[27m"
"""Two blanks in reverse video: solid, where an ASCII character has holes."""
START_OF_LINE, REST_OF_LINE = "\r", "\x1b[K"


class TerminalConsole:
    """Writes messages as lines. Between ``prompt`` and ``prompt_over``, the last line of the screen is the countdown.

    A thread redraws that line once a second. ``now`` is Unix time, ``monotonic`` a clock that never jumps.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        qr: QrChoice,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._qr = qr
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._waiting = ""  # the countdown line, empty without a prompt
        self._deadline: float | None = None
        self._stop = threading.Event()
        self._ticker: threading.Thread | None = None

    def info(self, line: str) -> None:
        with self._lock:
            self._print(wording.PREFIX + escape(line))
            self._draw_countdown()

    def warning(self, line: str) -> None:
        self.info(line)

    def error(self, line: str) -> None:
        self.info(line)

    def prompt(self, prompt: Prompt) -> None:
        self.prompt_over()
        with self._lock:
            self._show_code(prompt)
            self._waiting = wording.PREFIX + wording.waiting(prompt)
            # The system clock may be set meanwhile, so count down from the time that is left now.
            left = None if prompt.expires_at is None else prompt.expires_at - self._now()
            self._deadline = None if left is None else self._monotonic() + left
            self._draw_countdown()
        if self._deadline is not None:
            self._stop.clear()
            self._ticker = threading.Thread(target=self._tick, name="countdown", daemon=True)
            self._ticker.start()

    def prompt_over(self) -> None:
        self._stop.set()
        if self._ticker is not None:
            self._ticker.join()
            self._ticker = None
        with self._lock:
            if self._waiting:
                self._print(self._waiting)
                self._waiting = ""

    def close(self) -> None:
        self.prompt_over()

    def _show_code(self, prompt: Prompt) -> None:
        columns, rows = window_size(self._stream) or SMALLEST
        visit, scan = wording.PREFIX + wording.visit(prompt), wording.PREFIX + wording.SCAN
        around = 1 + sum(-(-len(text) // columns) for text in (visit, scan))  # the countdown always takes one line
        blocks, spaces = qr.can_show_blocks(self._stream), ((columns, rows - around),)
        drawing = qr.draw(prompt.verification_uri_complete, self._qr, blocks, spaces)
        self._print(visit)
        if drawing.lines:
            self._print(scan)
            for line in drawing.lines:
                self._print(LIGHT_ON_DARK + line.replace(qr.ASCII_LIGHT, FILLED) + DEFAULT_COLOURS)
        if drawing.notice:
            self._print(wording.PREFIX + drawing.notice)

    def _tick(self) -> None:
        while not self._stop.wait(1.0):
            with self._lock:
                self._draw_countdown()

    def _draw_countdown(self) -> None:
        if not self._waiting:
            return
        columns, _ = window_size(self._stream) or SMALLEST
        left = None if self._deadline is None else self._deadline - self._monotonic()
        line = countdown(self._waiting, left, columns - 1)
        write_line(self._stream, START_OF_LINE + line + REST_OF_LINE, end="")

    def _print(self, line: str) -> None:
        start = START_OF_LINE + REST_OF_LINE if self._waiting else ""
        write_line(self._stream, start + line)


def countdown(waiting: str, seconds_left: float | None, columns: int) -> str:
    """Return the waiting line with the time left, cut so that it never wraps: a wrapped line cannot be redrawn."""
    if seconds_left is None:
        return waiting[:columns]
    left = f" {time_left(seconds_left)}"
    room = max(columns - len(left), 0)
    if len(waiting) > room:
        # Drop the time of day first: the time left says the same.
        waiting = waiting.partition(" (expires at ")[0]
    return waiting[:room] + left[:columns]


def time_left(seconds: float) -> str:
    """Return ``9:41 left``, ``1:02:03 left`` or ``expired``."""
    whole = int(seconds)
    if whole <= 0:
        return "expired"
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d} left" if hours else f"{minute}:{second:02d} left"
