"""The audit sinks of a site, and the chores that send to them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from bootgrant.ports.chores import Chore
from bootgrant.ports.grants import StoreUnavailable
from bootgrant.ports.time import Clock, Entropy
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.store.sqlite.database import SqliteDatabase
from bootgrant.workflows.record.stream_audit import StreamAudit

log = logging.getLogger("bootgrant.audit")


def audit_streams(site: Site, database: Database, clock: Clock, entropy: Entropy) -> list[StreamAudit]:
    """Return what sends the audit to each sink of the settings."""
    if not site.audit.sinks:
        return []
    # A folder has one server at a time, which need not wait for the turn of one that was killed.
    holder = "" if isinstance(database, SqliteDatabase) else entropy.random_bytes(8).hex()
    return [StreamAudit(database.audit, database.sinks, clock, entropy, holder, target) for target in site.audit.sinks]


def stream_chores(streams: Sequence[StreamAudit]) -> list[Chore]:
    """Return a chore for each sink, so that one that hangs does not hold up the others."""
    return [Chore(f"audit sink {stream.target.name}", stream.step, stream.wait) for stream in streams]


async def end_streams(streams: Sequence[StreamAudit]) -> None:
    """Let other servers send at once."""
    try:
        for stream in streams:
            await stream.stop()
    except StoreUnavailable as error:
        log.warning("other servers send to the audit sinks later: %s", error)
