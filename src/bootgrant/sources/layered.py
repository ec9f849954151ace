"""The config source port over snapshots: changes are taken as a whole or not at all, and what is served is checked.

A folder without ``machines.yaml`` is one of finished files, which DirectorySource reads for every request. Beside a
``machines.yaml``, finished files are found by uuid and mac, after the entries.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from bootgrant.machines.finish.annotation import annotated
from bootgrant.machines.finish.redaction import redacted
from bootgrant.machines.finish.rendering import Finished
from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.machines.site.model import Entry
from bootgrant.machines.site.selection import Match, Tie
from bootgrant.ports.configurations import ConfigUnavailable, MachineEntry, Rendered, SourceState
from bootgrant.ports.time import Clock
from bootgrant.sources.directory import INVALID, DirectorySource
from bootgrant.sources.kept import KeptConfigurations
from bootgrant.sources.origin import Origin
from bootgrant.sources.snapshot import Snapshot, Workshop
from bootgrant.sources.tree import Tree
from bootgrant.wire.identity import MachineIdentity

log = logging.getLogger("bootgrant.machines")

_TIE: Final = "two entries match this machine"
_NOT_LOADED: Final = "configs broken, see server log"
_READING: Final = "configs being read, retrying"
_LOOK: Final = 1.0
_SPARED: Final = 200.0
"""Looking takes at most this part of a core: a folder of 10,000 files is looked at every few seconds."""
_SHARE: Final = 20.0
_AGAIN: Final = 60.0
"""Seconds, or more where reading takes long, until what failed is tried again without any change."""
_PASSING: Final = frozenset({"exec", "sops", "git"})
"""Rules of errors that may pass by themselves: a program of the site, or what it asks, was away."""


class LayeredSource:
    """ports.configurations.ConfigSource and WatchedSource. ``plain`` are the finished files, where it is a folder."""

    def __init__(self, origin: Origin, workshop: Workshop, clock: Clock, plain: DirectorySource | None = None) -> None:
        self._origin = origin
        self._workshop = workshop
        self._clock = clock
        self._plain = plain
        self._snapshot: Snapshot | None = None
        self._state = SourceState()
        self._failure: SiteBroken | None = None
        # How that stands which was read last, whatever became of looking since.
        self._settled: tuple[SiteBroken | None, SourceState] = (None, self._state)
        self._began = self._again_at = float("inf")
        self._is_layered = False
        self._is_blind = False
        self._looked_at = float("-inf")
        self.pause = _LOOK
        """Seconds until the next look is due: a large folder is looked at less often."""
        self._refreshing = threading.Lock()
        self._cache = KeptConfigurations()
        # One at a time: a hundred machines that come at once must not keep the server from answering others.
        self._worker = ThreadPoolExecutor(1, "configurations")

    def state(self) -> SourceState:
        return self._state

    def look_now(self) -> None:
        """Something may have changed: the next ``refresh`` finds out."""
        self._origin.look_now()

    def refresh(self) -> None:
        """Take over what has changed, if it is sound. Blocks; may be called from any thread."""
        with self._refreshing:
            self._began = self._clock.steady()
            try:
                self._is_layered = self._is_layered or self._origin.is_layered()
                if not self._is_layered:
                    self._leave_plain()
                elif self._has_changed():
                    self._take(Snapshot(self._origin.tree(), self._workshop, self._snapshot))
            except SiteBroken as broken:
                self._refuse(broken)
            except Exception:
                # Machines are answered from the last good state meanwhile, and the page says that something is wrong.
                log.exception("the machine configurations could not be read")
                told = "they could not be read because of a fault of bootgrant: the server's log says which, report it"
                self._refuse(SiteBroken([error("internal", told)]))
            finally:
                self._looked_at = self._clock.steady()

    def _leave_plain(self) -> None:
        """A folder of finished files, which ``plain`` reads: that it was shut for a while is over."""
        if self._failure is not None:
            self._failure, self._state = None, SourceState()
            self._settle(())

    def _has_changed(self) -> bool:
        """Whether there is something that was not tried yet. Raises SiteBroken."""
        was_blind, self._is_blind = self._is_blind, True
        # What looking costs is this thread's time on a CPU; to wait for a fetch costs nothing.
        began = time.thread_time()
        changed = self._origin.changed()
        self.pause = max(_LOOK, _SPARED * (time.thread_time() - began))
        self._is_blind = False
        if was_blind and not changed:
            self._failure, self._state = self._settled
            still = f"what is wrong in them still is: {self._state.problem}" if self._state.problem else ""
            log.info("the machine configurations can be read again; %s", still or "they are as they were")
        is_due = self._clock.steady() >= self._again_at
        return changed or is_due or (self._snapshot is None and self._failure is None)

    def _fall_back(self) -> None:
        """After a restart, what was served before it is better than nothing."""
        if self._snapshot is not None or (good := self._last_good()) is None:
            return
        refused, failure, again_at = self._state, self._failure, self._again_at
        try:
            self._take(Snapshot(good, self._workshop))
        except SiteBroken as broken:
            log.error("what was served before the restart cannot be served either: %s", broken)  # noqa: TRY400
            return
        self._again_at = min(self._again_at, again_at)
        self._failure = failure
        self._state = replace(self._state, problem=refused.problem, since=refused.since)
        if not self._is_blind:
            self._settled = (failure, self._state)

    def _last_good(self) -> Tree | None:
        try:
            return self._origin.last_good()
        except SiteBroken as broken:
            log.error("what was served before the restart cannot be read: %s", broken)  # noqa: TRY400
            return None

    def _take(self, new: Snapshot) -> None:
        old = self._snapshot
        problems = new.problems()
        if old is not None and old.has_model and not new.has_model:
            told = "machines.yaml is gone: put it back, or start the server anew for a folder of finished files"
            raise SiteBroken([error("model-gone", told)])
        # The first is taken with what is wrong in it where there is nothing better: some entries are sound. Afterwards
        # only what is not worse than what is served.
        if problems and (self._has_better(new) if old is None else not new.troubles() <= old.troubles()):
            raise SiteBroken(problems)
        self._snapshot = new
        self._failure = None
        self._cache.clear()
        if not problems:
            self._origin.taken(new.revision)
        told = str(SiteBroken(problems)) if problems else ""
        if (new.revision, told) != (self._state.revision, self._state.problem):
            now = self._clock.now()
            self._state = SourceState(new.revision, now, told, now if told else 0.0)
            log.info("machine configurations: %d entries, revision %s", len(new.entries), new.revision)
            for problem in problems:
                log.error("a configuration cannot be served: %s", problem)
        self._settle(problems)

    def _has_better(self, first: Snapshot) -> bool:
        """Whether to wait with the first state: nothing in it can be served, or what was served last is kept."""
        good = self._last_good()
        return not first.entries or (good is not None and good.revision != first.revision)

    def _settle(self, problems: Sequence[Finding]) -> None:
        """What was read last stands like this now."""
        self._settled = (self._failure, self._state)
        may_pass = any(finding.rule in _PASSING for finding in problems)
        now = self._clock.steady()
        self._again_at = now + max(_AGAIN, _SHARE * (now - self._began)) if may_pass else float("inf")

    def _refuse(self, broken: SiteBroken) -> None:
        is_news = self._failure is None or self._failure.findings != broken.findings
        if is_news:
            self._failure = broken
            self._tell(broken)
        if not self._is_blind:
            self._settle(broken.findings)
        if is_news:
            self._fall_back()

    def _tell(self, broken: SiteBroken) -> None:
        state = self._state
        since = state.since if state.problem else self._clock.now()
        self._state = SourceState(state.revision, state.taken_at, str(broken), since)
        kept = f"revision {state.revision} is served on" if state.revision else "no configuration can be served"
        for told in dict.fromkeys(str(finding) for finding in broken.findings):
            log.error("the machine configurations were not taken over (%s): %s", kept, told)

    async def find_entry(self, identity: MachineIdentity) -> MachineEntry | None:
        snapshot = await self._current()
        if snapshot is None:
            return None if self._plain is None else await self._plain.find_entry(identity)
        found = snapshot.selector.select(identity)
        if found is None and await self._looked_again():
            snapshot = self._snapshot or snapshot
            found = snapshot.selector.select(identity)
        match found:
            case Tie():
                raise ConfigUnavailable(found.message, _TIE)
            case Match():
                return _described(snapshot, found.entry, found.told, exact=found.is_exact)
            case None:
                return None if self._plain is None else await self._plain.find_entry(identity, beside=True)

    async def named_entry(self, name: str) -> MachineEntry | None:
        snapshot = await self._current()
        if snapshot is not None and name in snapshot.entries:
            return _described(snapshot, snapshot.entries[name], "name")
        return None if self._plain is None else await self._plain.named_entry(name, beside=snapshot is not None)

    async def entries(self) -> Sequence[MachineEntry]:
        snapshot = await self._current()
        if snapshot is None:
            return [] if self._plain is None else await self._plain.entries()
        return [_listed(snapshot, entry) for entry in snapshot.entries.values()]

    async def render(self, name: str, identity: MachineIdentity) -> Rendered | None:
        snapshot = self._snapshot or await self._current()
        if snapshot is None or name not in snapshot.entries:
            return None if self._plain is None else await self._plain.render(name, identity, snapshot is not None)
        cached = self._cache.get(snapshot, name, identity)
        if cached is not None:
            return cached
        return await asyncio.get_running_loop().run_in_executor(self._worker, self._rendered, snapshot, name, identity)

    async def preview(self, name: str, identity: MachineIdentity) -> str | None:
        snapshot = await self._current()
        if snapshot is None or name not in snapshot.entries:
            return None if self._plain is None else await self._plain.preview(name, identity, snapshot is not None)

        def shown() -> str:
            made = _finish(snapshot, name, identity)
            return annotated(redacted(made.config, made.secrets), made.origins)

        return await asyncio.get_running_loop().run_in_executor(self._worker, shown)

    def _rendered(self, snapshot: Snapshot, name: str, identity: MachineIdentity) -> Rendered:
        cached = self._cache.get(snapshot, name, identity)
        if cached is not None:
            return cached
        made = _finish(snapshot, name, identity)
        entry = snapshot.entries[name]
        described = _listed(snapshot, entry, made.machine_type)
        rendered = Rendered(described, made.config, self._workshop.composer, entry.schema.content_type)
        self._cache.put(snapshot, name, identity if made.uses_machine else None, rendered)
        return rendered

    async def _current(self) -> Snapshot | None:
        """The snapshot in use; None for a folder of finished files. Raises ConfigUnavailable."""
        if self._snapshot is None:
            await self._looked_again()
        if self._snapshot is None and self._failure is not None:
            raise ConfigUnavailable(str(self._failure), _NOT_LOADED)
        if self._snapshot is None and (self._is_layered or self._plain is None):
            raise ConfigUnavailable("the machine configurations are being read: look again in a moment", _READING)
        return self._snapshot

    async def _looked_again(self) -> bool:
        """Look whether something changed, at most once in a second: a file that was just written is found at once."""
        if self._clock.steady() - self._looked_at < self.pause or self._refreshing.locked():
            return False
        await asyncio.to_thread(self.refresh)
        return True


def _finish(snapshot: Snapshot, name: str, identity: MachineIdentity) -> Finished:
    try:
        return snapshot.finish(name, identity)
    except SiteBroken as broken:
        raise ConfigUnavailable(f"{name} cannot be served: {broken}", INVALID) from None


def _described(snapshot: Snapshot, entry: Entry, matched: str, *, exact: bool = True) -> MachineEntry:
    problem = snapshot.verdicts[entry.name].problem
    if problem is not None:
        raise ConfigUnavailable(f"{entry.name} cannot be served: {problem}", INVALID)
    listed = _listed(snapshot, entry)
    return replace(listed, matched=matched, exact=exact)


def _listed(snapshot: Snapshot, entry: Entry, machine_type: str | None = None) -> MachineEntry:
    kind = snapshot.verdicts[entry.name].machine_type if machine_type is None else machine_type
    return MachineEntry(
        name=entry.name,
        matched="name",
        labels=entry.labels,
        layers=tuple(layer.name for layer in entry.layers if snapshot.listing.files(layer.name) is not None),
        match={name: tuple(value.text for value in values) for name, values in entry.match.items()},
        exact=not entry.has_pattern,
        networks=entry.networks,
        approvals=entry.approvals,
        machine_type=kind,
        revision=snapshot.revision,
        varies=machine_type is None and snapshot.verdicts[entry.name].uses_machine,
    )
