"""The stores of one site, opened together."""

from __future__ import annotations

from typing import Protocol

from bootgrant.counting import StoreCounts
from bootgrant.ports.grant_store import GrantStore
from bootgrant.ports.operator_store import OperatorStore


class Database(Protocol):
    """What ``service`` opens and closes, and everything else is built on."""

    @property
    def grants(self) -> GrantStore: ...

    @property
    def operators(self) -> OperatorStore: ...

    @property
    def counts(self) -> StoreCounts: ...
