"""The composer's face: layers in, one configuration out, with what people should know about it.

The first part is the base document, the others are patches in order, merged as ``talosctl machineconfig patch`` merges
them (strategic merge or JSON6902). The other kinds of configuration are merged as plain YAML or JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a layer, already decrypted and rendered; ``name`` is the path shown to people."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Surprise:
    """A patch that does what its author hardly meant: ``message`` says what it does and what to write instead."""

    part: str
    path: str
    message: str


@dataclass(frozen=True, slots=True)
class Composed:
    """``origins``: ``document/path.of.value`` to the name of the part that the value came from."""

    config: bytes
    surprises: tuple[Surprise, ...]
    origins: Mapping[str, str]


class ComposeError(Exception):
    """Parts that make no configuration. ``line`` counts from 1 in ``part``; the message says what to do."""

    def __init__(self, message: str, part: str = "", line: int | None = None) -> None:
        where = f"{part}, line {line}: " if part and line else f"{part}: " if part else ""
        super().__init__(where + message)
        self.part = part
        self.line = line
        self.message = message


def compose(parts: Sequence[Part]) -> Composed:
    """The Talos configuration that ``parts`` make. Raises ComposeError."""
    if not parts:
        raise ComposeError("there is nothing to compose: name the base document first")
    if len(parts) > 1:
        raise ComposeError("patches are not merged by this version", parts[1].name)
    return Composed(parts[0].content, (), {})


def compose_plain(parts: Sequence[Part], kind: str) -> Composed:
    """Other kinds (``yaml``, ``json``, ``cloud-config``, ``ignition``, ``text``). Raises ComposeError."""
    if len(parts) != 1:
        raise ComposeError(f"a configuration of the kind {kind} is exactly one file in this version")
    return Composed(parts[0].content, (), {})


def machine_type(config: bytes) -> str:
    """``controlplane``, ``worker``, or empty when ``config`` names none; Talos reads ``init`` as a control plane."""
    for line in config.decode("utf-8", "replace").splitlines():
        key, _, value = line.strip().partition(":")
        if key == "type" and value.strip().strip("'\"") in {"controlplane", "init", "worker"}:
            return "worker" if value.strip().strip("'\"") == "worker" else "controlplane"
    return ""
