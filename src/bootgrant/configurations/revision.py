"""One revision of the configurations, as the server sees it: its entries, which can be served, and what they get.

A worker process of its own reads it and works on it (``configurations.worker``). A worker that had to be ended is
followed by another one, which continues with the next entry.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bootgrant.configurations.cache import RenderedCache
from bootgrant.configurations.engine import Engine, broken_in
from bootgrant.configurations.frames import Blobs, Message
from bootgrant.configurations.limits import EntryLimits, Exceeded
from bootgrant.configurations.plain import as_plain, from_plain
from bootgrant.configurations.snapshot import is_model
from bootgrant.configurations.verdicts import Judged, Verdict
from bootgrant.configurations.worker_process import Worker, WorkerFailed
from bootgrant.machines.site.files import Listing, layer_files
from bootgrant.machines.site.findings import Finding, SiteBroken, error
from bootgrant.machines.site.model import MODEL, Entry
from bootgrant.machines.site.selection import Selector
from bootgrant.machines.site.variables import Command, Minting
from bootgrant.ports.origins import Tree
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret

log = logging.getLogger("bootgrant.machines")

LIMIT: Final = "limit"
"""The rule of an entry that exceeded a limit. The same entry would again, so it is not tried until it changes."""
SLOW: Final = "time"
"""The rule of one that took too long by the clock. This may be a busy computer, so it is tried again later."""
FAULT: Final = "bootgrant itself failed while working on it: report the traceback in the server's log"
_MOST_STOPPED: Final = 20
_MOST_STOPPED_PER_FILE: Final = 3
"""Entries of one revision that may exceed their limits: after these, others are not tried, so that it ends."""
_MOST_ENTRIES: Final = 50_000
NetworkTexts = Sequence[str]


@dataclass(frozen=True, slots=True, repr=False)
class Made:
    """A configuration that may be served. ``uses_machine``: it may differ between machines with the same entry."""

    config: bytes
    machine_type: str
    uses_machine: bool
    warnings: tuple[Finding, ...] = ()
    mints: Mapping[str, Minting] = field(default_factory=dict)
    precious: tuple[str, ...] = ()


class Revision(Judged):
    """A revision that no longer changes. Making one raises SiteBroken if it cannot be read, and WorkerFailed.

    ``before`` is the revision in use: what was decrypted and tried for it is not done again for what is the same.
    """

    def __init__(self, tree: Tree, engine: Engine, before: Revision | None = None) -> None:
        self.revision = tree.revision
        self.tree = tree
        self.composer = engine.toolbox.composer
        self.cache = RenderedCache()
        self.has_model = any(is_model(path) for path in tree.files)
        self.listing = Listing((path for path in tree.files if not is_model(path)), tree.submodules)
        self.verdicts: dict[str, Verdict] = {}
        self.keys: dict[str, str] = {}
        self._engine = engine
        self._lock = threading.Lock()
        self._worker: Worker | None = None
        self.opened: dict[str, bytes | None] = {}
        self._values: dict[tuple[str, str], str | SiteBroken] = {}
        self._exceeded: dict[tuple[str, MachineIdentity], SiteBroken] = {}
        if before is not None:
            same = (path for path in before.opened if tree.files.get(path) == before.tree.files[path])
            self.opened |= {path: before.opened[path] for path in same}
        self.findings: Sequence[Finding] = ()
        self.entries: Mapping[str, Entry] = {}
        try:
            self.entries = {entry.name: entry for entry in self._read()}
            self.selector = Selector(list(self.entries.values()))
            self._try_all(before)
        except BaseException:
            self.close()
            raise

    def finish(
        self, name: str, identity: MachineIdentity, made: Mapping[str, Secret] | None = None, *, warns: bool = True
    ) -> Made:
        """Return an entry's configuration for a machine. Raises SiteBroken; KeyError for an unknown entry.

        ``made`` are the values that were made for this delivery. Unless it ``warns``, warnings are left out.
        """
        values = {variable: value.reveal() for variable, value in (made or {}).items()}
        answer, got = self._made({"do": "finish", "made": values, "warns": warns}, name, identity)
        warnings = tuple(from_plain(list[Finding], answer["warnings"]))
        mints = from_plain(dict[str, Minting], answer["mints"])
        precious = from_plain(tuple[str, ...], answer["precious"])
        return Made(got[0], str(answer["machine_type"]), bool(answer["uses_machine"]), warnings, mints, precious)

    def preview(
        self, name: str, identity: MachineIdentity, *, reveal: bool = False, plain: bool = False, label_key: bytes = b""
    ) -> tuple[str, tuple[Finding, ...]]:
        """Return a configuration as people may see it, and warnings about it. Raises as ``finish``.

        ``reveal`` shows secrets; ``plain`` omits the layers that values came from; with a ``label_key``, secrets are
        words that differ between secrets.
        """
        shown = {"do": "preview", "reveal": reveal, "plain": plain, "label_key": label_key.hex()}
        answer, got = self._made(shown, name, identity)
        return got[0].decode("utf-8", "surrogatepass"), tuple(from_plain(list[Finding], answer["warnings"]))

    def check(self, networks: NetworkTexts = ()) -> list[Finding]:
        """Return every error and warning. ``networks`` are those of the machines."""
        try:
            answer, _ = self._ask({"do": "check", "networks": list(networks)}, self._site_limits)
        except Exceeded as exceeded:
            return [*self.problems(), _stopped(exceeded, MODEL)]
        return from_plain(list[Finding], answer["findings"])

    def close(self) -> None:
        """End the worker. Another one is started if this revision is used again."""
        with self._lock:
            if self._worker is not None:
                self._worker.end()
                self._worker = None

    @property
    def _site_limits(self) -> EntryLimits:
        return self._engine.limits.for_site(len(self.tree.files))

    def _made(self, message: Message, name: str, identity: MachineIdentity) -> tuple[dict[str, Any], list[bytes]]:
        verdict = self.verdicts[name]
        problem = verdict.problem or self._exceeded.get((name, identity))
        if problem is not None:
            raise SiteBroken(problem.findings)
        asked = {**message, "name": name, "identity": as_plain(identity)}
        try:
            return self._ask(asked, self._engine.limits)
        except Exceeded as exceeded:
            entry = self.entries[name]
            broken = SiteBroken([_stopped(exceeded, entry.file, entry.line, name)])
            if exceeded.what != "time":
                self._exceeded[name, identity] = broken
            raise broken from None
        except WorkerFailed as failed:
            log.error("a configuration could not be made: %s", failed)  # noqa: TRY400  (it has its own traceback)
            raise SiteBroken([error("internal", FAULT, entry=name)]) from None

    def _read(self) -> list[Entry]:
        """Return the entries. Raises SiteBroken if the worker cannot read them within its limits."""
        try:
            answer = self._load()
            count = int(answer["entries"])
            if count > _MOST_ENTRIES:
                raise SiteBroken([error("too-many", f"more than {_MOST_ENTRIES:,} entries", MODEL)])
            self.findings = from_plain(list[Finding], answer["findings"])
            entries: list[Entry] = []
            while len(entries) < count:
                some, _ = self._ask({"do": "entries", "start": len(entries)}, self._site_limits)
                entries += from_plain(list[Entry], some["entries"])
            return entries
        except Exceeded as exceeded:
            raise SiteBroken([_stopped(exceeded, MODEL)]) from None

    def _load(self) -> dict[str, Any]:
        """Start a worker, and give it the tree and what is known about it."""
        worker = self._engine.worker()
        is_plain = self._engine.toolbox.decrypter.is_plain
        message: Message = {
            "do": "load",
            "revision": self.revision,
            "paths": list(self.tree.files),
            "finished": list(self.tree.finished),
            "submodules": list(self.tree.submodules),
            "doubtful": [path for path, raw in self.tree.files.items() if not is_plain(path, raw)],
            "verdicts": as_plain(self.verdicts),
        }
        answer, _ = worker.ask(message, list(self.tree.files.values()), self._site_limits, self._help)
        broken_in(answer)
        self._worker = worker
        return answer

    def _ask(self, message: Message, limits: EntryLimits) -> tuple[dict[str, Any], list[bytes]]:
        """Let the worker work. Raises SiteBroken, Exceeded and WorkerFailed."""
        with self._lock:
            if self._worker is None:
                self._load()
            worker, self._worker = self._worker, None
            if worker is None:
                raise WorkerFailed("no worker")
            answer, got = worker.ask(message, (), limits, self._help)
            # A worker that raised is not used again.
            self._worker = worker
        broken_in(answer)
        return answer, got

    def _try_all(self, before: Revision | None) -> None:
        stopped: Counter[str] = Counter()
        self._before = before
        for name, entry in self.entries.items():
            self.verdicts[name] = self._skipped(entry, stopped) or self._tried(entry, stopped)
        self._before = None

    def _tried(self, entry: Entry, stopped: Counter[str]) -> Verdict:
        try:
            message = {"do": "try", "name": entry.name, "has_before": self._before is not None}
            answer, _ = self._ask(message, self._engine.limits)
        except Exceeded as exceeded:
            self.keys[entry.name] = exceeded.key
            stopped[exceeded.file] += 1
            return Verdict(problem=SiteBroken([_stopped(exceeded, entry.file, entry.line, entry.name)]))
        except WorkerFailed as failed:
            log.error("an entry could not be tried: %s", failed)  # noqa: TRY400  (it has its own traceback)
            return Verdict(problem=SiteBroken([error("internal", FAULT, entry.file, entry.line, entry.name)]))
        self.keys[entry.name] = str(answer["key"])
        return from_plain(Verdict, answer["verdict"])

    def _skipped(self, entry: Entry, stopped: Counter[str]) -> Verdict | None:
        """A verdict without a try, once too many entries have exceeded their limits."""
        if not stopped:
            return None
        files, _ = layer_files(entry, self.listing)
        guilty = next((file.path for file in files if stopped[file.path] >= _MOST_STOPPED_PER_FILE), "")
        if not guilty and stopped.total() < _MOST_STOPPED:
            return None
        count = stopped[guilty] if guilty else stopped.total()
        message = f"not tried, because {count} entries before it were stopped: correct those first"
        file, line = (guilty, 0) if guilty else (entry.file, entry.line)
        return Verdict(problem=SiteBroken([error(LIMIT, message, file, line, entry.name)]))

    def _known(self, name: str, key: str) -> Verdict | None:
        """The verdict of the revision before, if it is final: the entry could be served, or exceeded a limit."""
        before = self._before
        if before is None or not key or before.keys.get(name) != key:
            return None
        verdict = before.verdicts[name]
        is_final = verdict.problem is None or all(finding.rule == LIMIT for finding in verdict.problem.findings)
        return verdict if is_final else None

    def _help(self, message: Message, blobs: list[bytes]) -> tuple[Message, Blobs]:
        """Answer what the worker asks for."""
        try:
            match message["ask"]:
                case "known":
                    known = self._known(str(message["entry"]), str(message["key"]))
                    return {} if known is None else {"verdict": as_plain(known)}, ()
                case "opened":
                    clear = self._clear(str(message["path"]))
                    return {}, () if clear is None else [clear]
                case "value":
                    words = tuple(str(word) for word in message["words"])
                    return {"value": self._value(str(message["entry"]), str(message["variable"]), words)}, ()
                case "may_mint":
                    entry, minting = self.entries[str(message["entry"])], from_plain(Minting, message["minting"])
                    self._engine.toolbox.programs.check(entry, str(message["variable"]), minting)
                    return {}, ()
        except SiteBroken as broken:
            return {"broken": as_plain(broken)}, ()
        return self._engine.help_without_tree(message, blobs)

    def _clear(self, path: str) -> bytes | None:
        if path not in self.opened:
            self.opened[path] = self._engine.toolbox.decrypter.opened(path, self.tree.files[path])
        return self.opened[path]

    def _value(self, name: str, variable: str, words: tuple[str, ...]) -> str:
        """What a program prints; it runs once for each entry and variable of a revision. Raises SiteBroken."""
        if (name, variable) not in self._values:
            try:
                self._values[name, variable] = self._engine.toolbox.programs.value(
                    self.entries[name], variable, Command(words)
                )
            except SiteBroken as broken:
                self._values[name, variable] = broken
        value = self._values[name, variable]
        if isinstance(value, SiteBroken):
            raise SiteBroken(value.findings)
        return value


def _stopped(exceeded: Exceeded, file: str, line: int = 0, entry: str = "") -> Finding:
    """Return the error at the place where the work was, or else at ``file`` and ``line``."""
    place = (exceeded.file, exceeded.line) if exceeded.file else (file, line)
    return error(SLOW if exceeded.what == "time" else LIMIT, str(exceeded), *place, entry)
