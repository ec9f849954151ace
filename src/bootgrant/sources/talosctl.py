"""The installed ``talosctl`` as the composer: the authority itself, for its own Talos version.

It gets the parts as files in memory: what was decrypted touches no disk and no argument list.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import Composed, ComposeError, Part, Reason, compose_plain
from bootgrant.sources.programs import ProgramFailed, run_program

_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Talosctl:
    """``talosctl machineconfig patch`` as ``machines.finish.rendering.Compose``. ``program`` is its name or path."""

    program: str = "talosctl"
    seconds: float = _SECONDS

    def __call__(self, schema: Schema, parts: Sequence[Part]) -> Composed:
        """Raises ComposeError. What surprises and where values came from, only the composer of this program says."""
        if schema is not Schema.TALOS:
            return compose_plain(parts, schema.value)
        if not parts:
            raise ComposeError("there is nothing to compose: name the base document first", reason=Reason.EMPTY)
        if len(parts) == 1:
            return Composed(parts[0].content, (), {})
        return Composed(self._patched(parts), (), {})

    def _patched(self, parts: Sequence[Part]) -> bytes:
        if shutil.which(self.program) is None:
            told = f"{self.program} is not installed here: install that of your Talos version, or set"
            raise ComposeError(f'{told} composer = "bootgrant"')
        with ExitStack() as stack:
            opened = [_in_memory(part, stack) for part in parts]
            paths = [f"/dev/fd/{descriptor}" for descriptor in opened]
            words = [self.program, "machineconfig", "patch", paths[0]]
            for path in paths[1:]:
                words += ["--patch", f"@{path}"]
            try:
                config = run_program(words, seconds=self.seconds, open_files=opened)
            except ProgramFailed as failed:
                raise ComposeError(_named(str(failed), paths, parts), _guilty(str(failed), paths, parts)) from None
        if not config.strip():
            message = f"{self.program} printed nothing: run `{self.program} machineconfig patch` by hand"
            raise ComposeError(message, parts[0].name, None, Reason.EMPTY)
        return config


@dataclass(frozen=True, slots=True)
class TalosctlValidate:
    """``talosctl validate``: what it says against a configuration, empty when it takes it."""

    program: str = "talosctl"
    seconds: float = _SECONDS

    def __call__(self, config: bytes) -> str:
        with ExitStack() as stack:
            opened = _in_memory(Part("", config), stack)
            words = [self.program, "validate", "--mode", "metal", "--config", f"/dev/fd/{opened}"]
            try:
                run_program(words, seconds=self.seconds, open_files=[opened])
            except ProgramFailed as failed:
                return str(failed).replace(f"/dev/fd/{opened}", "the configuration")
        return ""


def _in_memory(part: Part, stack: ExitStack) -> int:
    descriptor = os.memfd_create("part", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    view = memoryview(part.content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _named(told: str, paths: Sequence[str], parts: Sequence[Part]) -> str:
    """The program's words with the parts' own names."""
    for path, part in sorted(zip(paths, parts, strict=True), key=lambda pair: -len(pair[0])):
        told = told.replace(path, part.name)
    return f'{told}. Correct the part, or compose with bootgrant (composer = "bootgrant"), which says the line'


def _guilty(told: str, paths: Sequence[str], parts: Sequence[Part]) -> str:
    named = [part.name for path, part in zip(paths, parts, strict=True) if path in told]
    return named[0] if len(named) == 1 else ""
