"""Every metric, once. ``/metrics`` and ``docs/metrics.md`` are made from it, and the dashboard is tested against it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """Prometheus' kinds; the text is how its format names them."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """``name`` as Prometheus knows it: a counter ends in ``_total``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


INFO: Final = Metric("bootgrant_info", Kind.GAUGE, "1, with the version of this server.", ("version",))
PENDING: Final = Metric("bootgrant_pending", Kind.GAUGE, "Machines that wait for a person.")
OLDEST: Final = Metric(
    "bootgrant_pending_oldest_seconds", Kind.GAUGE, "How long the oldest of them has waited; 0 when none waits."
)
UNFETCHED: Final = Metric(
    "bootgrant_approved_unfetched", Kind.GAUGE, "Approved machines that have not fetched their configuration yet."
)
STORE_UP: Final = Metric("bootgrant_store_up", Kind.GAUGE, "1 when the database could be written just now, else 0.")
HELD: Final = Metric("bootgrant_held_polls", Kind.GAUGE, "Token requests that wait for a decision on this server.")
STEPS: Final = Metric(
    "bootgrant_grant_steps_total",
    Kind.COUNTER,
    "Steps in the life of requests that this server took, by the state they led to (docs/grant_states.md).",
    ("state",),
)
DECISION: Final = Metric(
    "bootgrant_decision_seconds", Kind.HISTOGRAM, "From a machine's request to the decision about it."
)
DELIVERY: Final = Metric(
    "bootgrant_delivery_seconds", Kind.HISTOGRAM, "From the approval to the first complete delivery."
)
ANSWERS: Final = Metric(
    "bootgrant_answers_total", Kind.COUNTER, "Answers of this server, by endpoint and HTTP status.",
    ("endpoint", "status"),
)  # fmt: skip
REFUSALS: Final = Metric(
    "bootgrant_refusals_total", Kind.COUNTER, "Refused requests of machines, by endpoint and reason.",
    ("endpoint", "reason"),
)  # fmt: skip
STORE: Final = Metric(
    "bootgrant_store_seconds",
    Kind.HISTOGRAM,
    "SQLite: a group of changes until it is on disk. PostgreSQL: one piece of work, with its wait for a connection.",
)
STORE_FAILURES: Final = Metric(
    "bootgrant_store_failures_total", Kind.COUNTER, "Pieces of work that the database did not do."
)
CONFIGURATIONS_AGE: Final = Metric(
    "bootgrant_configurations_age_seconds",
    Kind.GAUGE,
    "How long the configurations have been served as they are; absent for a folder of finished files alone.",
)
CONFIGURATIONS_FAILED: Final = Metric(
    "bootgrant_configurations_failed",
    Kind.GAUGE,
    "1 when a newer state of the configurations cannot be used and the last good one is served, else 0.",
)
NOTICES: Final = Metric(
    "bootgrant_notifications_total",
    Kind.COUNTER,
    "Notifications by the name of [[notify]] and outcome: sent, failed, needless (nobody waited any more).",
    ("target", "outcome"),
)
PROVIDER_QUESTIONS: Final = Metric(
    "bootgrant_provider_questions_total",
    Kind.COUNTER,
    "Questions to outside providers ([[providers]]): keys, metadata, introspection; answered, or failed.",
    ("provider", "outcome"),
)
PROVIDER_OPEN: Final = Metric(
    "bootgrant_provider_open",
    Kind.GAUGE,
    "1 while a provider is left alone because it failed several times in a row; machines are told to come again.",
    ("provider",),
)
CHORE_FAILURES: Final = Metric(
    "bootgrant_chore_failures_total",
    Kind.COUNTER,
    "Failed rounds of a background chore, by its name; each one is in the log and is tried again.",
    ("chore",),
)
CHORE_FAILING: Final = Metric(
    "bootgrant_chore_failing",
    Kind.GAUGE,
    "1 while a background chore has failed three times in a row or more, else 0; `/readyz` names it too.",
    ("chore",),
)

METRICS: Final = (
    INFO,
    PENDING,
    OLDEST,
    UNFETCHED,
    STORE_UP,
    HELD,
    STEPS,
    DECISION,
    DELIVERY,
    ANSWERS,
    REFUSALS,
    STORE,
    STORE_FAILURES,
    CONFIGURATIONS_AGE,
    CONFIGURATIONS_FAILED,
    NOTICES,
    PROVIDER_QUESTIONS,
    PROVIDER_OPEN,
    CHORE_FAILURES,
    CHORE_FAILING,
)
