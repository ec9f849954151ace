"""One measurement a file. ``run(options)`` returns its Result; ``options.quick`` makes it small, to try it out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MEASUREMENTS: Final = (
    "device_code",
    "token_pending",
    "token_scale",
    "waiting_cpu",
    "approval",
    "held",
    "boot_storm",
    "capacity",
    "replicas",
    "configurations",
    "composing",
)
"""Their names, in the order in which they are made and shown."""


@dataclass(frozen=True, slots=True)
class Options:
    """``rounds`` of interleaved measuring; ``quick`` runs are too short to mean anything."""

    rounds: int = 5
    quick: bool = False

    def say(self, text: str) -> None:
        print(text, flush=True)
