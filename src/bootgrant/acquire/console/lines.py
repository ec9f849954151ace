"""Consoles that write to a stream and never move the cursor: plain lines, and one JSON object per line.

Plain lines are for a serial line, a pipe or a file. Under ``compat`` they are what Talos writes, byte for byte.

A JSON object has ``time`` (UTC, RFC 3339), ``level`` (``info``, ``warning``, ``error``) and ``message``; a code to
approve also has ``"event": "prompt"`` and the fields of ``Prompt``, unescaped: a program that shows them escapes them.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final, Literal, TextIO

from bootgrant.acquire.console import Prompt, QrChoice, qr, wording
from bootgrant.acquire.console.qr import can_show_blocks
from bootgrant.acquire.console.wording import escape, escape_but_tabs

Level = Literal["info", "warning", "error"]

# The smallest terminal has 80 x 24 characters; four lines go to the URL, the lines around the code and the cursor.
# A longer code may still scroll, but one that is too wide would wrap.
SPACES: Final = ((80, 20), (80, qr.UNLIMITED))


class StreamConsole(ABC):
    """A console whose medium takes one line after the other."""

    def info(self, line: str) -> None:
        self._report("info", line)

    def warning(self, line: str) -> None:
        self._report("warning", line)

    def error(self, line: str) -> None:
        self._report("error", line)

    @abstractmethod
    def _report(self, level: Level, line: str) -> None:
        """Write one message."""

    def prompt_over(self) -> None:  # noqa: B027  (only some consoles count down)
        """Nothing counts down here."""

    def close(self) -> None:  # noqa: B027  (only some have something to restore)
        """Nothing to restore."""


class LineConsole(StreamConsole):
    """A console for people. ``blocks`` and ``spaces`` are as for ``qr.draw``."""

    def __init__(self, *, qr: QrChoice, compat: bool, blocks: bool, spaces: tuple[tuple[int, int], ...]) -> None:
        self._qr = qr
        self._compat = compat
        self._blocks = blocks
        self._spaces = spaces

    @abstractmethod
    def _write(self, level: Level, text: str) -> None:
        """Write one line. A medium that fails is ignored, because the machine can still be configured."""

    def _write_lines(self, level: Level, lines: Sequence[str]) -> None:
        """Write lines that belong together."""
        for line in lines:
            self._write(level, line)

    def _report(self, level: Level, line: str) -> None:
        if level == "error" and self._compat:
            self._write_lines(level, [escape_but_tabs(part) for part in line.split("\n")])
        else:
            self._write(level, wording.PREFIX + escape(line))

    def prompt(self, prompt: Prompt) -> None:
        self.info(wording.visit(prompt))
        url = prompt.verification_uri_complete
        as_talos = self._compat and self._qr == "auto" and self._blocks
        drawing = qr.draw_as_talos(url) if as_talos else qr.draw(url, self._qr, self._blocks, self._spaces)
        if drawing.lines:
            self.info(wording.SCAN)
            self._write_lines("info", drawing.lines)
        if drawing.notice:
            self.info(drawing.notice)
        self.info(wording.waiting(prompt, compat=self._compat))


class PlainConsole(LineConsole):
    """Writes plain lines to ``stream``."""

    def __init__(self, stream: TextIO, *, qr: QrChoice, compat: bool = False) -> None:
        super().__init__(qr=qr, compat=compat, blocks=can_show_blocks(stream), spaces=SPACES)
        self._stream = stream

    def _write(self, _level: Level, text: str) -> None:
        write_line(self._stream, text)

    def _write_lines(self, _level: Level, lines: Sequence[str]) -> None:
        # At once, so that nothing else that writes here can land between the rows of a QR code.
        write_line(self._stream, "\n".join(lines))


class JsonConsole(StreamConsole):
    """Writes to ``stream``. JSON's own escapes (ASCII only) keep control sequences off a screen that shows the log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def prompt(self, prompt: Prompt) -> None:
        self._report("info", wording.visit(prompt), event="prompt", **asdict(prompt))
        self._report("info", wording.waiting(prompt))

    def _report(self, level: Level, line: str, **more: str | float | None) -> None:
        entry = {"time": _rfc3339(time.time()), "level": level, "message": line, **more}
        write_line(self._stream, json.dumps(entry))


def write_line(stream: TextIO, text: str, end: str = "\n") -> None:
    """Write and flush. Characters that the stream's encoding lacks are escaped; a broken stream is ignored."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + end)
        stream.flush()
    except (OSError, ValueError):
        return


def _rfc3339(unix_time: float) -> str:
    milliseconds = int(unix_time * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_time)) + f".{milliseconds:03d}Z"
