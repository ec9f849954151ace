"""Where machine configurations come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bootgrant.wire.identity import MachineIdentity


class ConfigUnavailable(Exception):
    """The configuration is there and cannot be served now, or the source cannot be read.

    ``reason`` is what the machine's console may show (ASCII, at most 32 bytes); the exception's text is for the
    operator: it names the file and what to do.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class MachineEntry:
    """One machine configuration. ``name`` is kept with the approval; ``matched`` is the variable that found it."""

    name: str
    matched: str


class ConfigSource(Protocol):
    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        """The entry that this machine gets; None when there is none. Raises ConfigUnavailable."""

    async def read_entry(self, name: str) -> bytes | None:
        """The configuration of an entry, never empty; None when it is gone. Raises ConfigUnavailable."""
