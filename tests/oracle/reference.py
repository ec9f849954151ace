"""Talos's own patcher, loader and validation, asked over a pipe: the programs of `make oracle` (tools/talos)."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bootgrant.machines.talos.tables import TalosTables, read_tables, talos_tables

_PROGRAMS = Path(os.environ.get("ORACLE_PROGRAMS") or Path(__file__).resolve().parents[2] / ".venv/oracle")
"""Where the programs are; other ones for an exact commit (docs/talos-versions.md)."""


def size(cases: int) -> int:
    """How many cases to try: ORACLE_SIZE is a factor, 1 without it."""
    return max(1, int(cases * float(os.environ.get("ORACLE_SIZE", "1"))))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Talos says of a configuration; ``errors`` are those of a client and of a machine that boots with it."""

    load_error: str | None
    errors: Sequence[str]

    @property
    def refuses(self) -> bool:
        return self.load_error is not None or bool(self.errors)


@dataclass
class Reference:
    """A running program of one release. ``with`` ends it."""

    release: str
    _process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Reference:
        self._process = subprocess.Popen(
            [self.program, "judge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"GOMEMLIMIT": "1GiB"}
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        assert self._process.wait(timeout=30) == 0
        self._process.stdout.close()

    @property
    def program(self) -> Path:
        return _PROGRAMS / f"talos-{self.release}"

    @cached_property
    def label(self) -> str:
        """The release; ``before 1.14`` if the program is of an earlier commit than the tables that we ship."""
        is_exact = self.tables.kinds.keys() == talos_tables(self.release).kinds.keys()
        return self.release if is_exact else f"before {self.release}"

    def patched(self, config: str, patches: Sequence[str]) -> tuple[str, str]:
        """Return what Talos composes and an empty error, or an empty text and its error."""
        answer = self._ask({"op": "patch", "config": config, "patches": list(patches)})
        return answer.get("output", ""), answer.get("error", "")

    def validated(self, config: str) -> Verdict:
        answer = self._ask({"op": "validate", "config": config})
        return Verdict(answer["load_error"], [*answer["errors"], *answer.get("boot_errors", [])])

    def loads(self, config: str) -> bool:
        return self.validated(config).load_error is None

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    @cached_property
    def files(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The tables that the program writes of itself: schema.json and rules.json."""
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([self.program, "tables", folder, "v0"], check=True, timeout=60)
            schema, rules = (
                json.loads((Path(folder) / name).read_text("utf-8")) for name in ("schema.json", "rules.json")
            )
        return schema, rules

    @cached_property
    def expressions(self) -> dict[str, Any]:
        """What expressions in CEL can name, as in machines/talos/cel/releases."""
        answer = subprocess.run([self.program, "expressions"], check=True, timeout=60, capture_output=True)
        content: dict[str, Any] = json.loads(answer.stdout)
        return content

    @cached_property
    def tables(self) -> TalosTables:
        """The same as our composer reads them. For 1.14 they are those of an earlier commit than the tables we ship."""
        return read_tables(self.release, *self.files)
