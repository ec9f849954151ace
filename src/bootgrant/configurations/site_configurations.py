"""The configurations of a site, behind ports.configurations.ConfigSource.

A folder without ``machines.yaml`` has only finished configurations, which are read for every request. Next to a
``machines.yaml``, a finished configuration is found by uuid or mac if no entry matches.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Final

from bootgrant.configurations.current_revision import CurrentRevision
from bootgrant.configurations.engine import Workbench
from bootgrant.configurations.finished_files import INVALID, FinishedFiles
from bootgrant.configurations.revision import FAULT, Made, Revision
from bootgrant.configurations.worker_process import WorkerFailed, is_ending
from bootgrant.machines.finish.rendering import sample_identity
from bootgrant.machines.finish.validation import Judgement
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.selection import Match, Tie
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered
from bootgrant.ports.origins import FinishedFolder
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.machines")

_LIST_EVERY: Final = 1.0
"""Seconds for which the names of the finished configurations are remembered."""
_TIE: Final = "two entries match this machine"
_NOT_LOADED: Final = "configs broken, see server log"
_READING: Final = "configs being read, retrying"
_STOPPING: Final = "server stopping, retrying"


class SiteConfigurations:
    """Answers from the current revision, and from finished configurations where the origin is a folder."""

    def __init__(self, current: CurrentRevision, finished: FinishedFolder | None = None) -> None:
        self.current = current
        self._workbench: Workbench | None = None
        self._finished: FinishedFiles | None = None
        self._finished_next_to_entries: FinishedFiles | None = None
        if finished is not None:
            self._workbench = Workbench(current.engine)
            bench = _Bench(self._workbench)
            self._finished = FinishedFiles(finished, bench.judge, bench.show)
            self._finished_next_to_entries = FinishedFiles(finished, bench.judge, bench.show, by_serial=False)
        self._listed_at = float("-inf")
        # One at a time: rendering for a hundred machines at once must not keep the server from answering others.
        self._worker = ThreadPoolExecutor(1, "configurations")

    def prepare(self) -> None:
        """Read the configurations, and start what the first request would wait for. Blocks; may raise anything."""
        self.current.refresh()
        if self._workbench is not None and not self.current.is_layered:
            self._workbench.warm()

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        snapshot = await self._snapshot()
        finished = self._other(snapshot)
        if snapshot is not None:
            found = snapshot.selector.select(identity)
            if found is None and await self._refreshed():
                snapshot = self.current.snapshot or snapshot
                found = snapshot.selector.select(identity)
            match found:
                case Tie():
                    raise ConfigUnavailable(found.message, _TIE)
                case Match():
                    return replace(_valid(snapshot, found.entry), matched=found.reason, exact=found.is_exact)
        return None if finished is None else await asyncio.to_thread(finished.find_entry, identity)

    async def may_need_two(self, identity: MachineIdentity) -> bool:
        snapshot = self.current.snapshot
        found = None if snapshot is None else snapshot.selector.select(identity)
        if snapshot is not None and isinstance(found, Match):
            verdict = snapshot.verdicts[found.entry.name]
            return verdict.uses_machine or found.entry.approvals > 1 or verdict.is_precious
        finished = self._other(snapshot)
        if found is not None or finished is None:
            return False
        if self.current.steady() - self._listed_at >= _LIST_EVERY:
            self._listed_at = self.current.steady()
            await asyncio.to_thread(finished.list_names)
        return finished.has_name_of(identity)

    async def named_entry(self, name: str) -> MachineEntry | None:
        snapshot = await self._snapshot()
        if snapshot is not None and name in snapshot.entries:
            return replace(_valid(snapshot, snapshot.entries[name]), exact=True)
        finished = self._other(snapshot)
        return None if finished is None else await asyncio.to_thread(finished.named_entry, name)

    async def entries(self) -> Sequence[MachineEntry]:
        snapshot = await self._snapshot()
        listed = (
            [] if snapshot is None else [described_with_problem(snapshot, entry) for entry in snapshot.entries.values()]
        )
        finished = self._other(snapshot)
        if finished is not None:
            known = {entry.name for entry in listed}
            listed += [entry for entry in await asyncio.to_thread(finished.entries) if entry.name not in known]
        return sorted(listed, key=lambda entry: entry.name)

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        snapshot = self.current.snapshot or await self._snapshot()
        if snapshot is None or name not in snapshot.entries:
            finished = self._other(snapshot)
            return None if finished is None else await asyncio.to_thread(finished.render, name)
        cached = snapshot.cache.get(name, identity)
        if cached is not None:
            return cached
        return await asyncio.get_running_loop().run_in_executor(self._worker, _rendered, snapshot, name, identity)

    async def render_made(self, name: str, identity: MachineIdentity, made: Mapping[str, Secret]) -> Rendered | None:
        snapshot = await self._snapshot()
        if snapshot is None or name not in snapshot.entries:
            return None
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, _rendered_made, snapshot, name, identity, made)

    async def preview(
        self, name: str, identity: MachineIdentity | None, *, reveal: bool = False, plain: bool = False
    ) -> str | None:
        snapshot = await self._snapshot()
        if snapshot is None or name not in snapshot.entries:
            finished = self._other(snapshot)
            return None if finished is None else await asyncio.to_thread(finished.preview, name, reveal=reveal)
        loop = asyncio.get_running_loop()
        shown = partial(_preview, snapshot, name, identity, reveal=reveal, plain=plain)
        return await loop.run_in_executor(self._worker, shown)

    def _other(self, snapshot: Revision | None) -> FinishedFiles | None:
        """The finished configurations that may answer for what is not in the snapshot."""
        return self._finished if snapshot is None else self._finished_next_to_entries

    async def _snapshot(self) -> Revision | None:
        """The snapshot in use; None for a folder of finished configurations. Raises ConfigUnavailable."""
        current = self.current
        if current.snapshot is None:
            await self._refreshed()
        if current.snapshot is None and current.failure is not None:
            raise _refusal(str(current.failure), _NOT_LOADED)
        if current.snapshot is None and (current.is_layered or self._finished is None):
            raise ConfigUnavailable(
                "the machine configurations are still being read: try again in a moment", _READING, passes=True
            )
        return current.snapshot

    async def _refreshed(self) -> bool:
        """Look for a change unless that just happened, so that an entry written a second ago is found."""
        if not self.current.is_due:
            return False
        try:
            await asyncio.to_thread(self.current.refresh)
        except Exception:
            log.exception("machine configurations could not be refreshed")
        return True


class _Bench:
    """Examines finished files in a worker process. Both methods raise ConfigUnavailable."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    def judge(self, name: str, content: bytes) -> Judgement:
        try:
            return self._bench.judge(name, content)
        except WorkerFailed as failed:
            raise _failed(failed) from None

    def show(self, content: bytes) -> str:
        try:
            return self._bench.show(content)
        except WorkerFailed as failed:
            raise _failed(failed) from None


def _failed(failed: WorkerFailed) -> ConfigUnavailable:
    log.error("a finished configuration could not be examined: %s", failed)
    return _refusal(FAULT, INVALID, passes=True)


def _rendered(snapshot: Revision, name: str, identity: MachineIdentity) -> Rendered:
    cached = snapshot.cache.get(name, identity)
    if cached is not None:
        return cached
    made = _finished(snapshot, name, identity)
    rendered = _as_rendered(snapshot, name, made)
    snapshot.cache.put(name, identity if made.uses_machine else None, rendered)
    return rendered


def _rendered_made(snapshot: Revision, name: str, identity: MachineIdentity, values: Mapping[str, Secret]) -> Rendered:
    return replace(_as_rendered(snapshot, name, _finished(snapshot, name, identity, values)), mints={})


def _as_rendered(snapshot: Revision, name: str, made: Made) -> Rendered:
    entry, described = snapshot.entries[name], _described(snapshot, snapshot.entries[name], made)
    return Rendered(described, made.config, snapshot.composer, entry.schema.content_type, made.mints)


def _finished(
    snapshot: Revision, name: str, identity: MachineIdentity, values: Mapping[str, Secret] | None = None
) -> Made:
    try:
        # `check` has the warnings, which no machine reads.
        return snapshot.finish(name, identity, values, warns=False)
    except SiteBroken as broken:
        raise _unavailable(name, broken) from None


def _preview(snapshot: Revision, name: str, identity: MachineIdentity | None, *, reveal: bool, plain: bool) -> str:
    machine = sample_identity(snapshot.entries[name]) if identity is None else identity
    try:
        return snapshot.preview(name, machine, reveal=reveal, plain=plain)[0]
    except SiteBroken as broken:
        raise _unavailable(name, broken) from None


def _unavailable(name: str, broken: SiteBroken) -> ConfigUnavailable:
    passes = any(finding.rule == "internal" for finding in broken.findings)
    return _refusal(f"{name} cannot be served: {broken}", INVALID, passes=passes)


def _refusal(message: str, reason: str, *, passes: bool = False) -> ConfigUnavailable:
    """Return why there is no configuration. While the server stops, nothing that failed says anything about it."""
    if is_ending():
        return ConfigUnavailable("the server is stopping: try again in a moment", _STOPPING, passes=True)
    return ConfigUnavailable(message, reason, passes=passes)


def _valid(snapshot: Revision, entry: Entry) -> MachineEntry:
    """Describe an entry; raise ConfigUnavailable if it cannot be served."""
    problem = snapshot.verdicts[entry.name].problem
    if problem is not None:
        raise _unavailable(entry.name, problem)
    return _described(snapshot, entry)


def described_with_problem(snapshot: Revision, entry: Entry) -> MachineEntry:
    """Describe an entry, with what is wrong with it."""
    problem = snapshot.verdicts[entry.name].problem
    described = _described(snapshot, entry)
    return described if problem is None else replace(described, problem=str(problem))


def _described(snapshot: Revision, entry: Entry, made: Made | None = None) -> MachineEntry:
    """Describe an entry for people; ``made`` is its configuration for one machine, None if there is none yet."""
    verdict = snapshot.verdicts[entry.name]
    return MachineEntry(
        name=entry.name,
        matched="name",
        labels=entry.labels,
        layers=tuple(layer.name for layer in entry.layers if snapshot.listing.files(layer.name) is not None),
        match={name: tuple(value.text for value in values) for name, values in entry.match.items()},
        exact=not entry.has_pattern,
        networks=entry.networks,
        approvals=entry.approvals,
        machine_type=verdict.machine_type if made is None else made.machine_type,
        revision=snapshot.revision,
        varies=made is None and verdict.uses_machine,
        precious=verdict.precious if made is None else made.precious,
        mints=verdict.mints,
    )
