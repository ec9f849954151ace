"""The stores of one site, opened together."""

from __future__ import annotations

from typing import Protocol

from bootgrant.counting import StoreCounts
from bootgrant.ports.api_token_store import ApiTokenStore
from bootgrant.ports.assignment_store import AssignmentStore
from bootgrant.ports.audit_log import AuditLog
from bootgrant.ports.binding_store import BindingStore
from bootgrant.ports.challenge_store import ChallengeStore
from bootgrant.ports.grant_store import GrantStore
from bootgrant.ports.operator_store import OperatorStore
from bootgrant.ports.outbox import Outbox
from bootgrant.ports.passkey_store import PasskeyStore
from bootgrant.ports.window_store import WindowStore


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
