"""Who asked, for the log: a line each while one can read them, and their number when thousands ask at once.

The request itself stands in the queue and in the history; the log is for the person who watches a machine boot.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from bootgrant.wire.identity import MachineIdentity

log = logging.getLogger("bootgrant.machines")

LINES: Final = 50
"""Lines in a span, at most."""
SPAN: Final = 1.0
"""Seconds."""


class AskingLog:
    """Belongs to one event loop. Writing a line costs about as much as answering a request, so most are counted."""

    def __init__(self) -> None:
        self._asked = 0

    def note(self, grant_id: str, identity: MachineIdentity, address: str) -> None:
        """A machine asked and waits for a person."""
        self._asked += 1
        if self._asked > LINES:
            return
        if self._asked == 1:
            asyncio.get_running_loop().call_later(SPAN, self._end_span)
        log.info("asks: %s from %s", ascii(str(identity)), address, extra={"grant_id": grant_id})

    def _end_span(self) -> None:
        more, self._asked = self._asked - LINES, 0
        if more > 0:
            log.info("asks: %d more machines within %g s; `bootgrant pending` lists them", more, SPAN)
