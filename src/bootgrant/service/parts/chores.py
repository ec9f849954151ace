"""The background work of a site: what keeps its configurations, records, and pages up to date."""

from __future__ import annotations

import asyncio

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.operator_plane.plane import OperatorPlane
from bootgrant.ports.chores import Chore, every
from bootgrant.ports.time import Clock
from bootgrant.service.parts.decisions import Decisions
from bootgrant.service.settings.site import Site
from bootgrant.store.database import Database
from bootgrant.workflows.machine.requests import CollectEnded
from bootgrant.workflows.people.presence import CheckPresence
from bootgrant.workflows.record.notify_waiting import NotifyWaiting
from bootgrant.workflows.record.recording import RecordSnapshots

_NOTIFY_EVERY = 1.0
_RECORD_EVERY = 1.0
_CHECK_EVERY = 2.0
_COLLECT_EVERY = 60.0
_COLLECT_MORE = 0.1
"""Seconds until the next round of retention if the last one left some over: rounds are short, so that machines do not
wait for them."""


def site_chores(
    site: Site, database: Database, decisions: Decisions, current: CurrentRevision, clock: Clock
) -> list[Chore]:
    """Return what every site does."""
    collect = CollectEnded(database.grants, database.bindings, clock, site.grants.kept)
    snapshots = RecordSnapshots(database.audit, current, clock)
    has_more = False

    async def refresh() -> None:
        # The pause comes first: the server has just read them when it starts.
        await asyncio.sleep(current.pause)
        await asyncio.to_thread(current.refresh)

    async def collect_some() -> None:
        nonlocal has_more
        has_more = await collect.step()

    async def wait_to_collect() -> None:
        await asyncio.sleep(_COLLECT_MORE if has_more else _COLLECT_EVERY)

    return [
        Chore("automatic approvals", decisions.auto_approve.step, decisions.auto_approve.wait),
        Chore("recording of requests", decisions.openings.step, decisions.openings.wait),
        Chore("recording of refused sign-ins", decisions.refusals.step, decisions.refusals.wait),
        Chore("recording of refused tokens", decisions.token_refusals.step, decisions.token_refusals.wait),
        Chore("recording of codes presented again", decisions.codes_again.step, decisions.codes_again.wait),
        Chore("reading of configurations", refresh, every(0.0)),
        Chore("recording of revisions", snapshots.step, every(_RECORD_EVERY)),
        Chore("retention", collect_some, wait_to_collect),
    ]


def people_chores(site: Site, plane: OperatorPlane, notify: NotifyWaiting) -> list[Chore]:
    """Return what the pages and the people of a site need."""
    chores = [Chore("live pages", plane.watching.step, plane.watching.wait)]
    if site.oidc:
        chores += _presence_chores(plane.presence)
    if site.notify:
        chores.append(Chore("notifications", notify.step, every(_NOTIFY_EVERY)))
    return chores


def _presence_chores(presence: CheckPresence) -> list[Chore]:
    return [
        Chore("checks at providers", presence.step, every(_CHECK_EVERY)),
        Chore("checks before decisions", presence.before_decision, presence.wait_for_decision),
    ]
