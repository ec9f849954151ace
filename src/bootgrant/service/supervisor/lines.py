"""The supervisor's lines in the log, in the server's two forms (bootgrant.service.logs)."""

from __future__ import annotations

import contextlib
import json
import os
import time

_LOGGER = "bootgrant.supervisor"


def escaped(text: str) -> str:
    """Return ``text`` on one line, with every character that is not visible as its code (``\\n``, ``\\u202e``).

    Text from outside can then neither begin a line of its own nor control or reorder what a terminal shows.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class Lines:
    """Writes to standard error. ``form`` is "text" until the server has said what ``log.format`` is."""

    form = "text"

    def info(self, message: str) -> None:
        self._write("info", message)

    def error(self, message: str) -> None:
        self._write("error", message)

    def _write(self, level: str, message: str) -> None:
        message = escaped(message)
        now = time.time()
        milliseconds = int(now * 1000) % 1000
        if self.form == "json":
            at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{milliseconds:03}Z"
            line = json.dumps({"time": at, "level": level, "logger": _LOGGER, "message": message})
        else:
            at = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(now))},{milliseconds:03}"
            line = f"{at} {level.upper()} {_LOGGER}: {message}"
        # One write, because the server writes to the same file. A full disk must not end the supervisor.
        with contextlib.suppress(OSError):
            os.write(2, f"{line}\n".encode(errors="backslashreplace"))
