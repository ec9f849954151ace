"""What is known of a machine from before, told by the audit's events about its identity."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bootgrant.approval.audit import AuditEvent, AuditKind


@dataclass(frozen=True, slots=True)
class PastDelivery:
    """A configuration that went to somebody with this identity: when (Unix seconds), where, which."""

    at: float
    address: str
    entry: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Past:
    """A machine's earlier requests, newest first: times with addresses, deliveries, and denials as (time, by, reason);
    an approval that was taken back is one.

    As far as the audit goes back; another machine that claims one of its variables counts too.
    """

    requests: tuple[tuple[float, str], ...] = ()
    deliveries: tuple[PastDelivery, ...] = ()
    denials: tuple[tuple[float, str, str], ...] = ()

    @property
    def is_new(self) -> bool:
        return not self.requests and not self.deliveries and not self.denials


def past_of(events: Iterable[AuditEvent], apart_from: str) -> Past:
    """The past in ``events`` (each kind newest first), without the request with the id ``apart_from``."""
    requests: list[tuple[float, str]] = []
    deliveries: list[PastDelivery] = []
    denials: list[tuple[float, str, str]] = []
    for event in events:
        if event.grant_id == apart_from:
            continue
        if event.kind is AuditKind.OPENED:
            requests.append((event.at, event.address))
        elif event.kind is AuditKind.DELIVERED:
            deliveries.append(PastDelivery(event.at, event.address, event.entry, event.digest))
        elif event.kind is AuditKind.DENIED:
            denials.append((event.at, event.actor, event.reason))
        elif event.kind is AuditKind.REVOKED:
            denials.append((event.at, event.actor, "the approval was taken back"))
    return Past(tuple(requests), tuple(deliveries), tuple(denials))
