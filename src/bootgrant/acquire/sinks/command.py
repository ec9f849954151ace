"""The configuration on the standard input of a shell command."""

from __future__ import annotations

import os
import signal

from bootgrant.acquire.errors import OutputFailed
from bootgrant.acquire.sinks.atomic import write_all

SHELL = "/bin/sh"
NEXT_STEP = "see what the command printed above, then try again"


class CommandSink:
    """``command`` runs in a shell; the configuration counts as delivered when it ends with status 0.

    Its standard input is a file in memory, whole before the command starts: it may read it twice, or not at all, and
    nothing of it is on a disk or in an argument list.
    """

    def __init__(self, command: str) -> None:
        self._command = command

    def already_there(self) -> str | None:
        return None

    def write(self, config: bytes) -> str:
        import subprocess

        try:
            with os.fdopen(os.memfd_create("machine-config"), "rb") as whole:
                write_all(whole.fileno(), config)
                whole.seek(0)
                command = [SHELL, "-c", self._command]
                result = subprocess.run(command, stdin=whole, check=False)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputFailed(f"cannot run {SHELL} for the command ({reason})", NEXT_STEP) from error
        if result.returncode != 0:
            raise OutputFailed(f"the command {_ending(result.returncode)}", NEXT_STEP)
        return f"the command {self._command}"


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by a signal ({signal.strsignal(-status) or -status})"
    return f"ended with status {status}"
