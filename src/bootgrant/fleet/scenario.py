"""The input of a rehearsal: which machines arrive and when, what they run, and when people decide.

No real machine has the identity of a simulated one: its UUID is of version 8 (RFC 9562 section 5.8) and begins with
``b0075eed``, its serial number begins with ``REHEARSAL-``, its MAC address is locally administered.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

FIRST_FIELD: Final = "b0075eed"
_RUN: Final = re.compile(r"[0-9a-f]{8}")
_RACK: Final = 40
"""The number of machines on one power switch."""


class Kind(StrEnum):
    """What the machines run."""

    TALOS = "talos"
    ACQUIRE = "acquire"


class Curve(StrEnum):
    """How arrivals are spread over time."""

    EVEN = "even"
    RANDOM = "random"
    WAVE = "wave"
    RACKS = "racks"


@dataclass(frozen=True, slots=True)
class Decisions:
    """People decide ``after`` seconds after a code is shown, ``batch`` machines together (0: all, once every code is
    shown), and at most ``rate`` machines a second (0: no limit)."""

    after: float = 5.0
    batch: int = 1
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Scenario:
    """One rehearsal. ``arrive`` and ``limit`` are in seconds from the start; at ``limit`` the rehearsal ends."""

    machines: int
    arrive: float
    curve: Curve
    decisions: Decisions
    kind: Kind = Kind.TALOS
    limit: float = 600.0
    client_id: str = "talos"
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SimulatedIdentity:
    """The identity that a machine reports. ``index`` counts the machines of a run from 0."""

    index: int
    uuid: str
    serial: str
    mac: str

    def variables(self) -> dict[str, str]:
        """Return the variables that the machine sends with its requests."""
        return {"uuid": self.uuid, "serial": self.serial, "mac": self.mac}


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a rehearsal. ``name`` is eight hexadecimal digits, different for each run."""

    name: str

    def __post_init__(self) -> None:
        if not _RUN.fullmatch(self.name):
            raise ValueError("the name of a run must be eight hexadecimal digits")

    def identity(self, index: int) -> SimulatedIdentity:
        """Return the identity of machine ``index``, which must be below 2**24."""
        name = self.name
        uuid = f"{FIRST_FIELD}-{name[:4]}-8{name[4:7]}-8{name[7]}00-{index:012x}"
        mac = ":".join(f"{byte:02x}" for byte in (0x02, 0xB0, int(name[:2], 16), *index.to_bytes(3)))
        return SimulatedIdentity(index, uuid, f"REHEARSAL-{name}-{index:06}", mac)

    def has(self, uuid: str) -> bool:
        """Return whether a UUID belongs to a machine of this run."""
        return uuid.startswith(self.identity(0).uuid[:24])


def arrivals(machines: int, span: float, curve: Curve, dice: random.Random) -> list[float]:
    """Return when each machine arrives, in seconds after the start, ascending and within ``span``.

    EVEN: at equal intervals. RANDOM: uniformly distributed. WAVE: most in the middle, as after a power cut, when each
    firmware takes a different time to boot. RACKS: forty at once.
    """
    match curve:
        case Curve.EVEN:
            return [span * index / machines for index in range(machines)]
        case Curve.RANDOM:
            return sorted(dice.uniform(0.0, span) for _ in range(machines))
        case Curve.WAVE:
            # The mean of four random numbers is most often near the middle.
            return sorted(sum(dice.random() for _ in range(4)) / 4 * span for _ in range(machines))
        case Curve.RACKS:
            racks = -(-machines // _RACK)
            return [span * (index // _RACK) / racks for index in range(machines)]
