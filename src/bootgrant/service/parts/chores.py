"""The background work of a site, as chores for the one runner (service/server/chores.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.ports.chores import Chore, every
from bootgrant.service.parts.decisions import Decisions
from bootgrant.workflows.decide.watch_requests import WatchRequests
from bootgrant.workflows.machine.requests import CollectEnded
from bootgrant.workflows.record.notify_waiting import NotifyWaiting
from bootgrant.workflows.record.recording import RecordSnapshots

_NOTIFY_EVERY: Final = 1.0
_RECORD_EVERY: Final = 1.0
_COLLECT_EVERY: Final = 60.0
_COLLECT_MORE: Final = 0.1
"""Seconds until the next round of collecting when the last one was cut short, so that it never holds up a machine."""


def decision_chores(decisions: Decisions) -> Sequence[Chore]:
    """Automatic approvals, and the audit records that are written in the background."""
    return [
        Chore("automatic approvals", decisions.auto_approve.step, decisions.auto_approve.wait),
        Chore("recording of requests", decisions.openings.step, decisions.openings.wait),
        Chore("recording of refused sign-ins", decisions.refusals.step, decisions.refusals.wait),
    ]


def configuration_chores(current: CurrentRevision, snapshots: RecordSnapshots) -> Sequence[Chore]:
    """Looking for changes in the folder or the git repository, and recording which revision is served."""

    async def look() -> None:
        await asyncio.to_thread(current.refresh)

    async def wait() -> None:
        await asyncio.sleep(current.pause)

    return [
        Chore("reading of configurations", look, wait),
        Chore("recording of revisions", snapshots.step, every(_RECORD_EVERY)),
    ]


def retention_chore(collect: CollectEnded) -> Chore:
    """Forgetting ended requests, a few at a time."""
    has_more = False

    async def step() -> None:
        nonlocal has_more
        has_more = await collect.step()

    async def wait() -> None:
        await asyncio.sleep(_COLLECT_MORE if has_more else _COLLECT_EVERY)

    return Chore("retention", step, wait)


def notification_chore(notify: NotifyWaiting) -> Chore:
    """Messages to people about waiting machines."""
    return Chore("notifications", notify.step, every(_NOTIFY_EVERY))


def queue_chore(watching: WatchRequests) -> Chore:
    """Reading the queue for the pages that are open."""
    return Chore("live pages", watching.step, watching.wait)
