"""The installed ``talosctl``, which composes and validates for its own Talos version.

It reads the parts from files in memory: decrypted text reaches no disk and no argument list.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.composing import Composed, compose_plain
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from bootgrant.sources.programs import ProgramFailed, run_program


@dataclass(frozen=True, slots=True)
class Talosctl:
    """``program`` is its name or path; ``seconds`` is how long one run may take."""

    program: str = "talosctl"
    seconds: float = 30.0

    @property
    def is_installed(self) -> bool:
        return shutil.which(self.program) is not None

    def compose(self, schema: Schema, parts: Sequence[Part], _release: str = "") -> Composed:
        """Compose as ``talosctl machineconfig patch`` does, for its own release. Raises ComposeError.

        Surprises and the origins of values are known only to bootgrant's own composer.
        """
        if schema is not Schema.TALOS:
            return compose_plain(parts, schema.value)
        if not parts:
            raise ComposeError("there is nothing to compose: name the base document first", reason=Reason.EMPTY)
        if len(parts) == 1:
            return Composed(parts[0].content, (), {})
        return Composed(self._patched(parts), (), {})

    def validate(self, config: bytes) -> str:
        """Return why ``talosctl validate`` refuses a configuration; empty if it does not."""
        with ExitStack() as stack:
            descriptor = _in_memory(Part("", config), stack)
            words = [self.program, "validate", "--mode", "metal", "--config", f"/dev/fd/{descriptor}"]
            try:
                run_program(words, seconds=self.seconds, open_files=[descriptor])
            except ProgramFailed as failed:
                return str(failed).replace(f"/dev/fd/{descriptor}", "the configuration")
        return ""

    def _patched(self, parts: Sequence[Part]) -> bytes:
        if not self.is_installed:
            advice = 'install the one for your Talos version, or set composer = "bootgrant"'
            raise ComposeError(f"{self.program} is not installed here: {advice}")
        with ExitStack() as stack:
            descriptors = [_in_memory(part, stack) for part in parts]
            names = {f"/dev/fd/{descriptor}": part.name for descriptor, part in zip(descriptors, parts, strict=True)}
            base, *patches = names
            words = [self.program, "machineconfig", "patch", base]
            for path in patches:
                words += ["--patch", f"@{path}"]
            try:
                config = run_program(words, seconds=self.seconds, open_files=descriptors)
            except ProgramFailed as failed:
                message = str(failed)
                guilty = [name for path, name in names.items() if path in message]
                for path in sorted(names, key=len, reverse=True):
                    message = message.replace(path, names[path])
                message += '. Correct the part; composer = "bootgrant" would name the line'
                raise ComposeError(message, guilty[0] if len(guilty) == 1 else "") from None
        if not config.strip():
            message = f"{self.program} printed nothing: run `{self.program} machineconfig patch` by hand to see why"
            raise ComposeError(message, parts[0].name, None, Reason.EMPTY)
        return config


def _in_memory(part: Part, stack: ExitStack) -> int:
    """Write a part to a file in memory that lives as long as ``stack``; return its descriptor."""
    descriptor = os.memfd_create("part", os.MFD_CLOEXEC)
    stack.callback(os.close, descriptor)
    view = memoryview(part.content)
    while view:
        view = view[os.write(descriptor, view) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor
