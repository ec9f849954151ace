"""The stores of a site, opened together, and what they count for the metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bootgrant.ports.audit import AuditLog
from bootgrant.ports.audit_sinks import SinkStore
from bootgrant.ports.chores import Chore
from bootgrant.ports.deliveries import DeliveryStore
from bootgrant.ports.epochs import EpochStore
from bootgrant.ports.grants import AssignmentStore, BindingStore, GrantStore, WindowStore
from bootgrant.ports.leaving import SessionCheckStore, SignOutStore
from bootgrant.ports.logins import LoginStore
from bootgrant.ports.minting import MintStore
from bootgrant.ports.notifications import Outbox
from bootgrant.ports.people import ApiTokenStore, ChallengeStore, OperatorStore, PasskeyStore
from bootgrant.ports.push import PushDeviceStore
from bootgrant.store.decision_rows import AssignmentRows, BindingRows, WindowRows
from bootgrant.store.delivery_rows import DeliveryRows
from bootgrant.store.leaving_rows import SessionCheckRows, SignOutRows
from bootgrant.store.login_rows import LoginRows
from bootgrant.store.minted_rows import MintedRows
from bootgrant.store.people_rows import ApiTokenRows, ChallengeRows, OperatorRows, PasskeyRows
from bootgrant.store.push_rows import PushDeviceRows
from bootgrant.store.rows import Rows
from bootgrant.store.sink_rows import SinkRows

WRITING: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Bucket bounds in seconds for disk and database operations."""

WAITING: Final = (1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
"""Bucket bounds in seconds for people and booting machines."""


class Durations:
    """A histogram of durations. ``bounds`` are the upper ends of its buckets in seconds, ascending."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration. A negative one (the clock was set back) counts as zero."""
        seconds = max(0.0, seconds)
        self._counts[bisect_left(self._bounds, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, int]]:
        """Return each upper bound with the number of durations up to it, as Prometheus wants them, ending at +Inf."""
        buckets: list[tuple[str, int]] = []
        count = 0
        for bound, here in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            count += here
            buckets.append((bound, count))
        return buckets


@dataclass(slots=True)
class StoreCounts:
    """What a store counts; each object belongs to one event loop.

    ``transactions`` took this long until they were durable; ``failures`` is how many failed. ``steps`` counts the
    transitions of grants by the state they led to. ``decision`` is the time from request to decision, ``delivery`` from
    decision to delivery.
    """

    transactions: Durations = field(default_factory=lambda: Durations(WRITING))
    failures: int = 0
    steps: Counter[str] = field(default_factory=Counter)
    decision: Durations = field(default_factory=lambda: Durations(WAITING))
    delivery: Durations = field(default_factory=lambda: Durations(WAITING))


class Database(ABC):
    """The stores of a site. ``service`` opens and closes them, and runs their chores in between."""

    chores: Sequence[Chore] = ()
    counts: StoreCounts
    grants: GrantStore
    audit: AuditLog
    outbox: Outbox
    operators: OperatorStore
    passkeys: PasskeyStore
    challenges: ChallengeStore
    api_tokens: ApiTokenStore
    bindings: BindingStore
    assignments: AssignmentStore
    windows: WindowStore
    minted: MintStore
    sign_outs: SignOutStore
    session_checks: SessionCheckStore
    deliveries: DeliveryStore
    push_devices: PushDeviceStore
    logins: LoginStore
    sinks: SinkStore
    epochs: EpochStore

    kind = "sqlite"
    """What the database is, for people."""

    async def servers(self) -> int | None:
        """Return how many servers use this database now; None if that is unknown. Raises StoreUnavailable."""
        return 1

    @abstractmethod
    def call_after_taking_away(self, look: Callable[[], Awaitable[None]]) -> None:
        """Call ``look`` after each commit that took rights away, before its callers are answered. It never raises."""

    def keep_in(self, rows: Rows) -> None:
        """Open the stores that only need rows."""
        self.operators, self.passkeys, self.challenges = OperatorRows(rows), PasskeyRows(rows), ChallengeRows(rows)
        self.api_tokens, self.bindings = ApiTokenRows(rows), BindingRows(rows)
        self.assignments, self.windows = AssignmentRows(rows), WindowRows(rows)
        self.minted = MintedRows(rows)
        self.deliveries = DeliveryRows(rows)
        self.sign_outs, self.session_checks = SignOutRows(rows), SessionCheckRows(rows)
        self.push_devices = PushDeviceRows(rows)
        self.logins = LoginRows(rows)
        self.sinks = SinkRows(rows)
