"""Programs that make values at delivery, played in process, and the workflow around them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bootgrant.credentials.sealing import MINTED, SecretSealing
from bootgrant.ports.minting import MintFailed
from bootgrant.ports.time import Clock
from bootgrant.store.database import Database
from bootgrant.wire.secret import Secret
from bootgrant.workflows.machine.mint import MintValues
from support.fakes import CountedEntropy

LIMIT = 10.0


@dataclass
class Mint:
    """ports.minting.MintPrograms: makes ``value-1``, ``value-2``, … until ``failure`` says why it does not."""

    failure: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    taken_back: list[dict[str, Any]] = field(default_factory=list)

    def mint(self, words: Sequence[str], given: bytes) -> tuple[Secret, str]:
        self.asked.append(json.loads(given))
        if self.failure:
            raise MintFailed(f"{words[0]} {self.failure}")
        return Secret(f"value-{len(self.asked)}"), f"id-{len(self.asked)}"

    def unmint(self, words: Sequence[str], given: bytes) -> None:
        if self.failure:
            raise MintFailed(f"{words[0]} {self.failure}")
        self.taken_back.append(json.loads(given))


def minting(database: Database, clock: Clock, programs: Mint | None = None) -> MintValues:
    """The workflow on a store, with programs that work unless others are given."""
    return MintValues(database.minted, programs or Mint(), SecretSealing(MINTED), clock, CountedEntropy(), LIMIT)
