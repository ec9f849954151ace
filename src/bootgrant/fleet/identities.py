"""Who simulated machines say they are: identities that no real machine has, and that name their rehearsal.

Every UUID is one of version 8 (RFC 9562 section 5.8) that begins with ``b0075eed``, every serial number begins with
``REHEARSAL-``, every MAC address is locally administered. Whoever sees one in a queue or a log knows what it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FIRST_FIELD: Final = "b0075eed"
_RUN: Final = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class SimulatedIdentity:
    """What one machine says it is; ``index`` counts the machines of its run from 0."""

    index: int
    uuid: str
    serial: str
    mac: str

    def variables(self) -> dict[str, str]:
        """The variables that it sends with its requests."""
        return {"uuid": self.uuid, "serial": self.serial, "mac": self.mac}


@dataclass(frozen=True, slots=True)
class Run:
    """One rehearsal. ``name`` is eight hexadecimal digits, another for each."""

    name: str

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.name):
            raise ValueError("a run is named by eight hexadecimal digits")

    def identity(self, index: int) -> SimulatedIdentity:
        """The identity of machine ``index``, below 2**24."""
        name = self.name
        uuid = f"{FIRST_FIELD}-{name[:4]}-8{name[4:7]}-8{name[7]}00-{index:012x}"
        mac = ":".join(f"{byte:02x}" for byte in (0x02, 0xB0, int(name[:2], 16), *index.to_bytes(3)))
        return SimulatedIdentity(index, uuid, f"REHEARSAL-{name}-{index:06}", mac)

    def has(self, uuid: str) -> bool:
        """Whether a UUID is that of a machine of this run."""
        return uuid.startswith(self.identity(0).uuid[:24])
