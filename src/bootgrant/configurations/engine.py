"""Makes configurations of trees, in worker processes with limits. Nothing that a tree contains is read in this process.

Each revision has a worker of its own; one more judges finished files, and composes for `bootgrant patch`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bootgrant.configurations.frames import Blobs, Message
from bootgrant.configurations.limits import EntryLimits, Exceeded
from bootgrant.configurations.plain import from_plain
from bootgrant.configurations.snapshot import Toolbox
from bootgrant.configurations.worker_process import Start, Worker, WorkerProcess
from bootgrant.machines.finish.rendering import in_python
from bootgrant.machines.finish.validation import Fault, Judgement
from bootgrant.machines.site.findings import SiteBroken
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import Composed
from bootgrant.machines.talos.documents import ComposeError, Part
from bootgrant.machines.talos.patching import Surprise

_SETUP: Final = EntryLimits(memory=1 << 30, cpu=60.0, time=120.0)
"""For the site's own files: its schema."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What a site makes configurations with, its limits, and how a worker is started."""

    toolbox: Toolbox
    limits: EntryLimits = field(default_factory=EntryLimits)
    start: Start = WorkerProcess

    def worker(self) -> Worker:
        """Start a worker that has the tools of the site. Raises WorkerFailed."""
        worker = Worker(self.start)
        rules = self.toolbox.rules
        tools: Message = {
            "do": "tools",
            "tables": rules.tables,
            "has_program": rules.program is not None,
            "composes": self.toolbox.compose is in_python,
        }
        worker.ask(tools, [rules.schema.content] if rules.schema else [], _SETUP, self.help_without_tree)
        return worker

    def help_without_tree(self, message: Message, blobs: list[bytes]) -> tuple[Message, Blobs]:
        """Answer what a worker asks for that needs no tree: the programs that compose and validate."""
        rules = self.toolbox.rules
        if message["ask"] == "validate" and rules.program is not None:
            return {"text": rules.program(blobs[0])}, ()
        if message["ask"] != "compose":
            raise ValueError("a worker asked for something that it does not need")
        parts = [Part(str(name), content) for name, content in zip(message["names"], blobs, strict=True)]
        try:
            return {}, [self.toolbox.compose(Schema.TALOS, parts, str(message["release"])).config]
        except ComposeError as wrong:
            return {"wrong": {"message": wrong.message, "part": wrong.part, "line": wrong.line}}, ()


class Workbench:
    """Work that belongs to no revision, done by one worker, which starts when it is first needed. For any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._worker: Worker | None = None
        self._lock = threading.Lock()

    def warm(self) -> None:
        """Start the worker, so that the first file does not wait for it. Raises WorkerFailed."""
        with self._lock:
            self._worker = self._worker or self._engine.worker()

    def judge(self, name: str, content: bytes) -> Judgement:
        """Validate a finished configuration. Raises WorkerFailed."""
        try:
            answer, _ = self._ask({"do": "judge", "name": name}, [content])
        except Exceeded as exceeded:
            return Judgement([Fault(str(exceeded), exceeded.line or 1)])
        return from_plain(Judgement, answer["judgement"])

    def show(self, content: bytes) -> str:
        """Return a finished configuration as people may see it. Raises WorkerFailed."""
        try:
            _, got = self._ask({"do": "show"}, [content])
        except Exceeded as exceeded:
            return f"# it cannot be shown: {exceeded}\n"
        return got[0].decode("utf-8", "surrogatepass")

    def compose(self, parts: Sequence[Part], release: str) -> Composed:
        """Compose a Talos configuration; the origins of its values are not known. Raises ComposeError, WorkerFailed."""
        try:
            answer, got = self._ask(
                {"do": "compose", "names": [part.name for part in parts], "release": release},
                [part.content for part in parts],
            )
        except Exceeded as exceeded:
            raise ComposeError(str(exceeded), exceeded.file, exceeded.line or None) from None
        if "wrong" in answer:
            raise wrong_of(answer["wrong"])
        return Composed(got[0], tuple(from_plain(list[Surprise], answer["surprises"])), {})

    def close(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker.end()
                self._worker = None

    def _ask(self, message: Message, blobs: Blobs) -> tuple[dict[str, Any], list[bytes]]:
        with self._lock:
            worker, self._worker = self._worker or self._engine.worker(), None
            outcome = worker.ask(message, blobs, self._engine.limits, self._engine.help_without_tree)
            # A worker that raised is not used again.
            self._worker = worker
        return outcome


def wrong_of(plain: Mapping[str, Any]) -> ComposeError:
    return ComposeError(str(plain["message"]), str(plain["part"]), plain["line"])


def broken_in(answer: Mapping[str, Any]) -> None:
    """Raise the SiteBroken that an answer is."""
    if "broken" in answer:
        raise from_plain(SiteBroken, answer["broken"])
