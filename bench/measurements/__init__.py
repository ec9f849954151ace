"""One measurement per file. ``run(options)`` returns its Result; ``options.quick`` makes it small and meaningless."""

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
"""The names, in the order of execution and of the docs."""


@dataclass(frozen=True, slots=True)
class Options:
    """The number of ``rounds``; ``quick`` runs are too short to be meaningful."""

    rounds: int = 5
    quick: bool = False

    def say(self, text: str) -> None:
        print(text, flush=True)
