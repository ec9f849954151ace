"""Which part each value of a composed configuration came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bootgrant.machines.talos.parts import ComposeError, Part
from bootgrant.machines.talos.patching import Patching, read_patch
from bootgrant.machines.talos.tables import TalosTables
from bootgrant.machines.yaml.writing import Written


@dataclass(slots=True)
class Origin:
    """A leaf: its value, and the name of the part that it came from."""

    value: Written
    part: str


_LOOK_AHEAD = 64
Traced = Any
"""Origin, or a list or dict of them, in the shape of the written value."""


@dataclass(frozen=True)
class Origins(Mapping[str, str]):
    """``document/path.of.value`` to the name of a part; worked out when it is first looked at.

    For that the parts are composed once more, one after the other, and each step is compared with the one before: a
    value that is new or different is from the part of that step.
    """

    parts: tuple[Part, ...]
    tables: TalosTables

    def __getitem__(self, path: str) -> str:
        return self._found[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @cached_property
    def _found(self) -> dict[str, str]:
        patching = Patching(self.tables, self.parts[0])
        traced: dict[str, Traced] = {}
        try:
            traced = _step(traced, patching, self.parts[0].name)
            for part in self.parts[1:]:
                patching.apply(read_patch(part, self.tables))
                traced = _step(traced, patching, part.name)
        except ComposeError:
            # A base without patches is served unread, so it may be no configuration at all.
            return {}
        return {path: name for label, tree in traced.items() for path, name in _leaves(tree, f"{label}/")}


def _step(before: dict[str, Traced], patching: Patching, part: str) -> dict[str, Traced]:
    now = {document.label: document.written() for document in patching.loaded()}
    return {label: trace(before.get(label), value, part) for label, value in now.items()}


def trace(before: Traced, now: Written, part: str) -> Traced:
    """``now`` with its origins: what is as it was keeps its own, the rest is from ``part``."""
    if isinstance(now, dict):
        old = before if isinstance(before, dict) else {}
        return {key: trace(old.get(key), value, part) for key, value in now.items()}
    if isinstance(now, list):
        return _trace_list(before if isinstance(before, list) else [], now, part)
    if isinstance(before, Origin) and before.value == now:
        return before
    return Origin(now, part)


def _trace_list(before: list[Traced], now: list[Written], part: str) -> list[Traced]:
    """Elements are followed by what they are, because deleting one moves the others; a changed one keeps its place."""
    traced: list[Traced] = []
    at = 0
    for index, value in enumerate(now):
        ahead = range(at, min(at + _LOOK_AHEAD, len(before)))
        same = next((place for place in ahead if written(before[place]) == value), None)
        if same is not None:
            traced.append(before[same])
            at = same + 1
        else:
            replaced = at < len(before) and len(now) - index >= len(before) - at
            traced.append(trace(before[at] if replaced else None, value, part))
            at += 1 if replaced else 0
    return traced


def written(traced: Traced) -> Written:
    """The value without its origins."""
    if isinstance(traced, Origin):
        return traced.value
    if isinstance(traced, list):
        return [written(item) for item in traced]
    return {key: written(item) for key, item in traced.items()}


def _leaves(traced: Traced, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(traced, Origin):
        yield path, traced.part
    elif isinstance(traced, list):
        for index, item in enumerate(traced):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        for key, item in traced.items():
            yield from _leaves(item, path + key if path.endswith("/") else f"{path}.{key}")
