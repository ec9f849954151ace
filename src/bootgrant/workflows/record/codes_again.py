"""Codes that are presented again after they were used or replaced: counted, and recorded within limits.

A person who presents such a code looks at an old screen or an old link, or was sent the code of another machine. A
machine that polls with one is the sign of two machines with one identity.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from operator import attrgetter
from typing import Final

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.grant import CodeOver, DeviceGrant
from bootgrant.approval.grant_rules import GrantRules
from bootgrant.approval.operators import Actor
from bootgrant.ports.audit import AuditLog
from bootgrant.ports.time import Clock
from bootgrant.workflows.record.recording import BoundedRecorder

log = logging.getLogger("bootgrant")

PER_REQUEST: Final = 3
"""Records about the code of one request, for machines and for people each, however often it is presented."""

BURST: Final = 20
EVERY: Final = 6.0
"""Records in all: twenty, then ten a minute; of the others their number is recorded."""

_REQUESTS: Final = 10_000


class CodesAgain(BoundedRecorder[AuditEvent]):
    """A chore for one event loop. ``counts`` has every presentation by (who, what the code was).

    The limit per request belongs to this process: after a restart, and on another server, it begins again.
    """

    def __init__(self, audit: AuditLog, clock: Clock, rules: GrantRules) -> None:
        kind, address_of = AuditKind.CODE_AGAIN, attrgetter("address")
        super().__init__(audit, clock, BURST, EVERY, address_of, lambda event: event, kind, "presented")
        self.counts: Counter[tuple[str, str]] = Counter()
        self._rules = rules
        self._noted: OrderedDict[tuple[str, str], int] = OrderedDict()

    def polled(self, grant: DeviceGrant, address: str, *, is_elsewhere: bool) -> None:
        """Note a token request with the device code of ``grant``, as the grant was before it.

        ``is_elsewhere``: it comes from another network than the request of the machine did.
        """
        over = grant.device_code_over(self._rules, self._clock.now(), is_elsewhere=is_elsewhere)
        if over is not None:
            self._note("machine", over, self._event(grant, over, "polled", address))

    def entered(self, grant: DeviceGrant, actor: Actor, how: str, address: str = "") -> None:
        """Note that a person presented the code of ``grant``. ``how`` is typed, opened (a link), or API."""
        over = grant.user_code_over(self._clock.now())
        if over is not None:
            self._note("person", over, self._event(grant, over, how, address, actor))

    def _event(
        self, grant: DeviceGrant, over: CodeOver, how: str, address: str, actor: Actor | None = None
    ) -> AuditEvent:
        return AuditEvent(
            at=self._clock.now(),
            kind=AuditKind.CODE_AGAIN,
            actor=str(actor) if actor else "",
            via=actor.via if actor else "",
            grant_id=grant.grant_id,
            identity=grant.identity,
            address=address,
            details={"how": how, "code": over.value},
        )

    def _note(self, who: str, over: CodeOver, event: AuditEvent) -> None:
        self.counts[who, over.value] += 1
        key = (event.grant_id, who)
        times = self._noted.get(key, 0)
        if times >= PER_REQUEST:
            return
        self._noted[key] = times + 1
        if len(self._noted) > _REQUESTS:
            self._noted.popitem(last=False)
        if self.note(event):
            by, where = event.actor or "a machine", f" from {event.address}" if event.address else ""
            message = "a code was presented again after it was %s, by %s%s"
            log.warning(message, over.value, by, where, extra={"grant_id": event.grant_id})
