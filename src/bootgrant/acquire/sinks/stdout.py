"""The configuration on standard output."""

from __future__ import annotations

import os
import stat

from bootgrant.acquire.errors import OutputFailed
from bootgrant.acquire.sinks.atomic import write_all

STANDARD_OUTPUT = 1


class StdoutSink:
    """Writes to file descriptor 1, past Python's buffers; a file behind it is flushed to the disk."""

    def already_there(self) -> str | None:
        return None

    def write(self, config: bytes) -> str:
        try:
            write_all(STANDARD_OUTPUT, config)
            if stat.S_ISREG(os.fstat(STANDARD_OUTPUT).st_mode):
                os.fsync(STANDARD_OUTPUT)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputFailed(f"cannot write to standard output ({reason})", "use --output FILE to keep it") from error
        return "standard output"
