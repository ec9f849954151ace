"""All metrics. ``/metrics`` and ``docs/metrics.md`` are generated from this table; a test checks the dashboard."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """The type of a metric, as Prometheus names it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. The ``name`` of a counter ends in ``_total``."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


INFO: Final = Metric("bootgrant_info", Kind.GAUGE, "1, with the version of this server as a label.", ("version",))
PENDING: Final = Metric("bootgrant_pending", Kind.GAUGE, "Machines that are waiting for a decision.")
OLDEST: Final = Metric(
    "bootgrant_pending_oldest_seconds", Kind.GAUGE, "Age of the oldest waiting request; 0 when no machine is waiting."
)
UNFETCHED: Final = Metric(
    "bootgrant_approved_unfetched", Kind.GAUGE, "Approved machines that have not fetched their configuration yet."
)
STORE_UP: Final = Metric(
    "bootgrant_store_up", Kind.GAUGE, "1 if the database could be written during this scrape, else 0."
)
HELD: Final = Metric("bootgrant_held_polls", Kind.GAUGE, "Token requests that this server holds until a decision.")
STEPS: Final = Metric(
    "bootgrant_grant_steps_total",
    Kind.COUNTER,
    "State changes of requests made by this server, by the new state (docs/grant_states.md).",
    ("state",),
)
DECISION: Final = Metric("bootgrant_decision_seconds", Kind.HISTOGRAM, "Time from a machine's request to its decision.")
DELIVERY: Final = Metric(
    "bootgrant_delivery_seconds", Kind.HISTOGRAM, "Time from approval to the first complete delivery."
)
ANSWERS: Final = Metric(
    "bootgrant_answers_total", Kind.COUNTER, "Answers by endpoint and HTTP status.",
    ("endpoint", "status"),
)  # fmt: skip
REFUSALS: Final = Metric(
    "bootgrant_refusals_total", Kind.COUNTER, "Refused requests from machines, by endpoint and reason.",
    ("endpoint", "reason"),
)  # fmt: skip
OTHER_ADDRESS: Final = Metric(
    "bootgrant_other_address_total",
    Kind.COUNTER,
    "Times a token was used at another address than the one that asked, by outcome: sent or refused "
    "(grants.bind_address).",
    ("outcome",),
)
CODES_AGAIN: Final = Metric(
    "bootgrant_codes_again_total",
    Kind.COUNTER,
    "Codes that were presented again after they were used or replaced, by who presented them: machine, person.",
    ("by", "code"),
)
STORE: Final = Metric(
    "bootgrant_store_seconds",
    Kind.HISTOGRAM,
    "SQLite: time to write a group of changes to disk. PostgreSQL: time for a connection and a transaction.",
)
STORE_FAILURES: Final = Metric("bootgrant_store_failures_total", Kind.COUNTER, "Failed database operations.")
CONFIGURATIONS_AGE: Final = Metric(
    "bootgrant_configurations_age_seconds",
    Kind.GAUGE,
    "Age of the current revision of the configurations; absent if there are only finished files.",
)
CONFIGURATIONS_FAILED: Final = Metric(
    "bootgrant_configurations_failed",
    Kind.GAUGE,
    "1 if a newer revision of the configurations is invalid and the last valid one is served, else 0.",
)
NOTICES: Final = Metric(
    "bootgrant_notifications_total",
    Kind.COUNTER,
    "Notifications by [[notify]] target (push: to phones) and outcome: sent, failed, needless (no machine was waiting "
    "any more).",
    ("target", "outcome"),
)
SINK_LAG: Final = Metric(
    "bootgrant_audit_sink_lag_records",
    Kind.GAUGE,
    "Audit records that an [[audit.sinks]] target does not have yet, whichever server sends to it.",
    ("sink",),
)
SINK_SENT: Final = Metric(
    "bootgrant_audit_sink_records_total",
    Kind.COUNTER,
    "Audit records that this server sent to a sink and that were accepted; repeated ones count again.",
    ("sink",),
)
SINK_FAILURES: Final = Metric(
    "bootgrant_audit_sink_failures_total",
    Kind.COUNTER,
    "Failed attempts of this server to send audit records to a sink; each is logged and repeated.",
    ("sink",),
)
PROVIDER_QUESTIONS: Final = Metric(
    "bootgrant_provider_questions_total",
    Kind.COUNTER,
    "Requests to providers ([[providers]]) for keys, metadata or introspection: answered, or failed.",
    ("provider", "outcome"),
)
PROVIDER_OPEN: Final = Metric(
    "bootgrant_provider_open",
    Kind.GAUGE,
    "1 while a provider is not contacted because it failed several times in a row, else 0.",
    ("provider",),
)
CHORE_FAILURES: Final = Metric(
    "bootgrant_chore_failures_total",
    Kind.COUNTER,
    "Failures of background chores; each is logged and retried.",
    ("chore",),
)
CHORE_FAILING: Final = Metric(
    "bootgrant_chore_failing",
    Kind.GAUGE,
    "1 if a background chore has failed three or more times in a row, else 0; `/readyz` also names it.",
    ("chore",),
)
CERTIFICATE: Final = Metric(
    "bootgrant_certificate_remaining_seconds",
    Kind.GAUGE,
    "Time until the server's certificate ends, negative afterwards; absent if this server has none.",
)

METRICS: Final = tuple(each for each in tuple(globals().values()) if isinstance(each, Metric))
"""All of the above, in their order."""
