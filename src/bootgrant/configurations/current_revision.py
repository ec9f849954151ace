"""The revision of the configurations that is being served. A change is applied as a whole, or not at all."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from bootgrant.configurations.engine import Engine
from bootgrant.configurations.revision import SLOW, Revision
from bootgrant.configurations.worker_process import WorkerFailed
from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.ports.configurations import ConfigUnavailable, SourceState
from bootgrant.ports.origins import Origin, Tree
from bootgrant.ports.time import Clock

log = logging.getLogger("bootgrant.machines")

_SHORTEST_PAUSE: Final = 1.0
_PAUSE_PER_SECOND: Final = 200.0
"""Looking takes at most 1/200 of a core: a folder of 10,000 files is looked at every few seconds."""
_SHORTEST_RETRY: Final = 60.0
_RETRY_PER_SECOND: Final = 20.0
"""A revision that took a second to read is read again after 20 seconds at the earliest."""
_TRANSIENT: Final = frozenset({"exec", "sops", "git", "internal", SLOW})
"""Rules of errors that may go away without a change of a file, for example because a program works again."""
_FAULT: Final = "bootgrant itself failed while reading them: report the traceback in the server's log"
_MODEL_GONE: Final = "machines.yaml is gone: put it back, or restart the server to serve only finished configurations"


class CurrentRevision:
    """Keeps the last valid revision of an origin. ports.configurations.WatchedSource."""

    def __init__(self, origin: Origin, engine: Engine, clock: Clock) -> None:
        self.origin = origin
        self.snapshot: Revision | None = None
        self.failure: SiteBroken | None = None
        """Why the newest revision is not served."""
        self.is_layered = False
        """Whether the origin is known to have more than finished configurations."""
        self.pause = _SHORTEST_PAUSE
        """Seconds to wait before the next ``refresh``; more for a large folder."""
        self.engine = engine
        self._clock = clock
        self._state = SourceState()
        # What the last revision that could be read led to. An unreachable origin hides it until it is reachable again.
        self._outcome: tuple[SiteBroken | None, SourceState] = (None, self._state)
        self._is_unreachable = False
        self._began = self._retry_at = float("inf")
        self._looked_at = float("-inf")
        self._refreshing = threading.Lock()

    def state(self) -> SourceState:
        return self._state

    def steady(self) -> float:
        """Return the steady clock's time in seconds."""
        return self._clock.steady()

    @property
    def is_due(self) -> bool:
        """Whether the pause since the last look is over, and nobody is looking now."""
        return self._clock.steady() - self._looked_at >= self.pause and not self._refreshing.locked()

    def acceptable(self, commit: str) -> tuple[str, str]:
        """Return the commit with this id, and the one that is served. Raises ConfigUnavailable, which says why not."""
        try:
            found = self.origin.acceptable(commit)
        except SiteBroken as broken:
            raise ConfigUnavailable(str(broken), "") from None
        return found.commit, found.served

    def accept(self, revision: str) -> None:
        """Serve this commit though it does not follow the one that is served. Raises ConfigUnavailable."""
        try:
            self.origin.accept(revision)
        except SiteBroken as broken:
            raise ConfigUnavailable(str(broken), "") from None

    def refresh(self) -> None:
        """Look for a change and apply it if it is valid. Blocks; any thread may call it.

        An unforeseen error is noted in ``state`` and raised; the last valid revision stays in use.
        """
        with self._refreshing:
            self._began = self._clock.steady()
            try:
                self.is_layered = self.is_layered or self.origin.is_layered()
                if not self.is_layered:
                    self._clear_failure()
                elif self._has_changed():
                    self._take(Revision(self.origin.tree(), self.engine, self.snapshot))
            except SiteBroken as broken:
                self._refuse(broken)
            except WorkerFailed as failed:
                log.error("the machine configurations could not be read: %s", failed)  # noqa: TRY400
                self._refuse(SiteBroken([error("internal", _FAULT)]))
            except Exception:
                self._refuse(SiteBroken([error("internal", _FAULT)]))
                raise
            finally:
                self._looked_at = self._clock.steady()

    def _clear_failure(self) -> None:
        """Note that a folder of finished configurations can be read again. Nothing of it is kept here."""
        if self.failure is not None:
            self.failure, self._state = None, SourceState()
            self._settle(())

    def _has_changed(self) -> bool:
        """Whether the origin has a revision to try, or it is time to retry the last one. Raises SiteBroken."""
        was_unreachable, self._is_unreachable = self._is_unreachable, True
        # The pause depends on the CPU time of this thread: waiting for a fetch costs nothing.
        began = time.thread_time()
        changed = self.origin.changed()
        self.pause = max(_SHORTEST_PAUSE, _PAUSE_PER_SECOND * (time.thread_time() - began))
        self._is_unreachable = False
        if was_unreachable and not changed:
            self.failure, self._state = self._outcome
            problem = self._state.problem
            log.info("machine configurations are readable again: %s", problem or "no change since")
        is_due = self._clock.steady() >= self._retry_at
        return changed or is_due or (self.snapshot is None and self.failure is None)

    def _take(self, new: Revision) -> None:
        """Serve a revision from now on. Raises SiteBroken if it is worse than what is served."""
        try:
            self._replace(new)
        except BaseException:
            new.close()
            raise

    def _replace(self, new: Revision) -> None:
        old = self.snapshot
        problems = new.problems()
        if old is not None and old.has_model and not new.has_model:
            raise SiteBroken([error("model-gone", _MODEL_GONE)])
        # After a start, some valid entries are better than none. Later, a revision may bring no new trouble.
        if problems and (self._has_better(new) if old is None else not new.troubles() <= old.troubles()):
            raise SiteBroken(problems)
        self.snapshot = new
        self.failure = None
        if old is not None:
            old.close()
        self.origin.served(new.revision)
        if not problems:
            self.origin.keep(new.revision)
        problem = str(SiteBroken(problems)) if problems else ""
        if (new.revision, problem) != (self._state.revision, self._state.problem):
            now = self._clock.now()
            self._state = SourceState(new.revision, now, problem, now if problem else 0.0)
            log.info("machine configurations: %d entries, revision %s", len(new.entries), new.revision)
            for one in problems:
                log.error("a configuration cannot be served: %s", one.with_entry)
        self._settle(problems)

    def _has_better(self, first: Revision) -> bool:
        """Whether to refuse the first revision: it has no entries, or the origin kept another revision."""
        good = self._last_good()
        return not first.entries or (good is not None and good.revision != first.revision)

    def _refuse(self, broken: SiteBroken) -> None:
        is_new = self.failure is None or self.failure.findings != broken.findings
        if is_new:
            self.failure = broken
            self._report(broken)
        if not self._is_unreachable:
            self._settle(broken.findings)
        if is_new:
            self._fall_back()

    def _report(self, broken: SiteBroken) -> None:
        state = self._state
        since = state.since if state.problem else self._clock.now()
        self._state = SourceState(state.revision, state.taken_at, str(broken), since)
        served = f"still serving revision {state.revision}" if state.revision else "serving no configurations"
        # A mistake in a layer is reported once, with the first of its entries.
        for finding in {str(finding): finding for finding in reversed(broken.findings)}.values():
            log.error("machine configurations were refused (%s): %s", served, finding.with_entry)

    def _fall_back(self) -> None:
        """After a restart, serve what the origin kept."""
        if self.snapshot is not None or (good := self._last_good()) is None:
            return
        refused, failure, retry_at = self._state, self.failure, self._retry_at
        try:
            self._take(Revision(good, self.engine))
        except (SiteBroken, WorkerFailed) as broken:
            log.error("the revision served before the restart is refused too: %s", broken)  # noqa: TRY400
            return
        self._retry_at = min(self._retry_at, retry_at)
        self.failure = failure
        self._state = replace(self._state, problem=refused.problem, since=refused.since)
        if not self._is_unreachable:
            self._outcome = (failure, self._state)

    def _last_good(self) -> Tree | None:
        try:
            return self.origin.last_good()
        except SiteBroken as broken:
            log.error("the revision served before the restart cannot be read: %s", broken)  # noqa: TRY400
            return None

    def _settle(self, problems: Sequence[Finding]) -> None:
        """Note what the newest readable revision led to, and when to try it again."""
        self._outcome = (self.failure, self._state)
        is_transient = any(finding.rule in _TRANSIENT for finding in problems)
        now = self._clock.steady()
        retry = now + max(_SHORTEST_RETRY, _RETRY_PER_SECOND * (now - self._began))
        self._retry_at = retry if is_transient else float("inf")
