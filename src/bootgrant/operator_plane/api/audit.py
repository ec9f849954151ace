"""The audit as JSON, newest first. Each record is unchanged, so that its digest can be verified, except where a role
must not see why a configuration cannot be served."""

from __future__ import annotations

import json
from typing import Final

from bootgrant.approval.audit import AuditKind, ChainedEvent, exported
from bootgrant.approval.operators import Actor
from bootgrant.operator_plane.api.call import Call, Json, Reply
from bootgrant.operator_plane.withheld import event_for
from bootgrant.ports.audit import AuditFilter
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.record.audit import newer_records

MOST_LISTED: Final = 500


async def listed(call: Call) -> Reply:
    """List the events, newest first. Send `next` as `before` for the following page.

    With `after`, list those with higher numbers, oldest first. To follow the audit, send `next` as `after` again,
    also if it is unchanged.
    """
    which, limit = _filter(call), call.query.get("limit", 100)
    if "after" in call.query:
        newer, last = await newer_records(call.plane.audit, which, call.query["after"], limit)
        return Reply({"events": [event_json(record, call.actor) for record in newer], "next": last})
    records = await call.plane.audit.newest(which, limit + 1, call.query.get("before"))
    more = records[limit - 1].seq if len(records) > limit else None
    return Reply({"events": [event_json(record, call.actor) for record in records[:limit]], "next": more})


async def head(call: Call) -> Reply:
    """Show the end of the chain. `bootgrant audit verify --head` checks later that the audit still contains it."""
    end = await call.plane.audit.head()
    return Reply({"seq": end.seq, "hash": end.digest, "head": str(end)})


def _filter(call: Call) -> AuditFilter:
    query = call.query
    machine = MachineIdentity.from_claim({name: query.get(name, "") for name in MachineIdentity.STRONG})
    return AuditFilter(
        kinds=tuple(AuditKind(kind) for kind in query.get("kind", ())),
        actor=query.get("actor", ""),
        grant_id=query.get("request", ""),
        entry=query.get("entry", ""),
        machine=machine if machine.identifies() else None,
        since=query.get("since"),
        until=query.get("until"),
    )


def event_json(record: ChainedEvent, actor: Actor) -> Json:
    """Return an audit record as ``actor`` may read it."""
    members: Json = json.loads(exported(record.line, record.digest))
    readable = event_for(actor, record.event)
    return members if readable.reason == record.event.reason else members | {"reason": readable.reason}
