"""Configurations handed to another program: on standard output, or on the standard input of a command."""

from __future__ import annotations

import os
import signal
import stat
from typing import Final

from bootgrant.acquire.errors import OutputFailed, reason_of
from bootgrant.acquire.sinks.files import write_all

_SHELL: Final = "/bin/sh"
_STANDARD_OUTPUT: Final = 1
_NEXT_STEP: Final = "see what the command printed above, then try again"


class StdoutSink:
    """Writes to file descriptor 1, bypassing Python's buffers; if it is a file, it is flushed to disk."""

    def already_there(self) -> str | None:
        return None

    def write(self, config: bytes) -> str:
        try:
            write_all(_STANDARD_OUTPUT, config)
            if stat.S_ISREG(os.fstat(_STANDARD_OUTPUT).st_mode):
                os.fsync(_STANDARD_OUTPUT)
        except OSError as error:
            raise OutputFailed(f"cannot write to standard output ({reason_of(error)})", "use --output FILE") from error
        return "standard output"


class CommandSink:
    """Runs ``command`` in a shell. The configuration counts as delivered if it exits with status 0.

    Its standard input is a file in memory, complete before the command starts, so that no part of it is on a disk.
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
                command = [_SHELL, "-c", self._command]
                result = subprocess.run(command, stdin=whole, check=False)
        except OSError as error:
            raise OutputFailed(f"cannot run {_SHELL} for the command ({reason_of(error)})", _NEXT_STEP) from error
        if result.returncode != 0:
            raise OutputFailed(f"the command {_ending(result.returncode)}", _NEXT_STEP)
        return f"the command {self._command}"


def _ending(status: int) -> str:
    if status < 0:
        return f"was killed by a signal ({signal.strsignal(-status) or -status})"
    return f"exited with status {status}"
