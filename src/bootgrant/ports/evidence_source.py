"""Who can say something about a machine's claim: the site's networks and inventory, its past, a command of the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bootgrant.approval.evidence import Check
from bootgrant.approval.grant import DeviceGrant
from bootgrant.ports.config_source import MachineEntry


@dataclass(frozen=True, slots=True)
class Claim:
    """What is asked about: a request, and the entry that its machine would get (None: there is none)."""

    grant: DeviceGrant
    entry: MachineEntry | None


class EvidenceSource(Protocol):
    """``keeps`` is how many seconds an answer stays good; ``is_quick`` says that it asks nobody outside."""

    @property
    def name(self) -> str: ...

    @property
    def keeps(self) -> float: ...

    @property
    def is_quick(self) -> bool: ...

    async def check(self, claim: Claim) -> Sequence[Check]:
        """What it finds. It may take its time and may fail: whoever asks limits the one and reports the other."""
