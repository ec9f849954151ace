"""The stores of one site, opened together."""

from __future__ import annotations

from typing import Protocol

from bootgrant.counting import StoreCounts
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.decisions import AssignmentStore, WindowStore
from bootgrant.ports.grants import BindingStore, GrantStore
from bootgrant.ports.notifications import Outbox
from bootgrant.ports.people import ApiTokenStore, ChallengeStore, OperatorStore, PasskeyStore


class Database(Protocol):
    """What ``service`` opens and closes, and everything else is built on."""

    @property
    def grants(self) -> GrantStore: ...

    @property
    def operators(self) -> OperatorStore: ...

    @property
    def outbox(self) -> Outbox: ...

    @property
    def counts(self) -> StoreCounts: ...

    @property
    def passkeys(self) -> PasskeyStore: ...

    @property
    def challenges(self) -> ChallengeStore: ...

    @property
    def api_tokens(self) -> ApiTokenStore: ...

    @property
    def audit(self) -> AuditLog: ...

    @property
    def assignments(self) -> AssignmentStore: ...

    @property
    def bindings(self) -> BindingStore: ...

    @property
    def windows(self) -> WindowStore: ...
