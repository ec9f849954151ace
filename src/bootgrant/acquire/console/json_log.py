"""One JSON object per line, for whatever supervises the boot.

Every object has ``time`` (UTC, RFC 3339), ``level`` (``info``, ``warning``, ``error``) and ``message``. A code that
waits also has ``"event": "prompt"``, ``user_code``, ``verification_uri``, ``verification_uri_complete`` and
``expires_at`` (Unix time or null) as the provider gave them: whoever shows them must escape them.
"""

from __future__ import annotations

import json
import time
from typing import TextIO

from bootgrant.acquire.console import Prompt, wording
from bootgrant.acquire.console.plain import write_line


class JsonConsole:
    """Writes to ``stream``. JSON's own escapes (ASCII only) keep control sequences off a screen that shows the log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def info(self, line: str) -> None:
        self._write("info", line)

    def warning(self, line: str) -> None:
        self._write("warning", line)

    def error(self, line: str) -> None:
        self._write("error", line)

    def prompt(self, prompt: Prompt) -> None:
        self._write(
            "info",
            wording.visit(prompt),
            event="prompt",
            user_code=prompt.user_code,
            verification_uri=prompt.verification_uri,
            verification_uri_complete=prompt.verification_uri_complete,
            expires_at=prompt.expires_at,
        )
        self._write("info", wording.waiting(prompt))

    def prompt_over(self) -> None:
        """Nothing counts down here."""

    def close(self) -> None:
        """Nothing to undo."""

    def _write(self, level: str, message: str, **more: str | float | None) -> None:
        entry = {"time": _rfc3339(time.time()), "level": level, "message": message, **more}
        write_line(self._stream, json.dumps(entry))


def _rfc3339(unix_time: float) -> str:
    milliseconds = int(unix_time * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(unix_time)) + f".{milliseconds:03d}Z"
