"""The specification of a container that Talos gives to containerd: whether overrides fit its types.

Talos writes the overrides as JSON, and reads that into the Go structures of the OCI runtime specification. So what
counts is what ``encoding/json`` refuses: a wrong type, a fraction or a number that is out of range. Keys that the
specification does not have are ignored, and the case of keys does not matter. ``runtime_spec.json`` has the structures
(``specs-go``) by the first Talos release that reads them: fields and their types in Go, pointers left out. It is
made by ``tools/talos/runtime_spec``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

_ANYTHING: Final = "interface"
_NUMBER: Final = re.compile(r"(u?)int(\d*)")
_LARGEST_PLAIN: Final = 1e21
"""``encoding/json`` writes greater numbers, and only those, with an exponent."""


@cache
def _structures(release: str) -> Mapping[str, Mapping[str, str]]:
    """Return the structures that a release reads, their fields by names in lower case."""
    described = json.loads((files(__package__) / "runtime_spec.json").read_text("utf-8"))
    known = [first for first in described if _ordered(first) <= _ordered(release)]
    newest = described[max(known, key=_ordered)]
    return {name: {field.lower(): kind for field, kind in fields.items()} for name, fields in newest.items()}


def _ordered(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def runtime_spec_faults(overrides: Mapping[str, Any], release: str) -> list[str]:
    """Return what does not fit the specification, with the path in the overrides and without values."""
    return list(_faults(overrides, "Spec", "", _structures(release)))


def _faults(value: Any, kind: str, path: str, structures: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield what does not fit a type: a structure, ``[]uint32``, ``map:string``, ``bool`` …; null fits all."""
    if not _is_json(value):
        yield _fault(path, "must be text, a finite number, true, false, a list, or a mapping with texts as keys")
    elif fault := _type_fault(value, kind, structures):
        yield _fault(path, fault)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, kind.removeprefix("[]"), f"{path}[{index}]", structures)
    elif isinstance(value, dict):
        fields = structures.get(kind, {})
        for key, item in value.items():
            element = kind.removeprefix("map:") if kind.startswith("map:") else fields.get(key.lower(), _ANYTHING)
            yield from _faults(item, element, f"{path}.{key}" if path else key, structures)


def _is_json(value: Any) -> bool:
    """Whether Go can write a value, without what is in it, as JSON."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value)
    return value is None or isinstance(value, (str, bool, int, list))


def _type_fault(value: Any, kind: str, structures: Mapping[str, Mapping[str, str]]) -> str:
    """Return why a value, without what is in it, does not fit a type."""
    if value is None or kind == _ANYTHING:
        return ""
    if kind.startswith("[]"):
        return "" if isinstance(value, list) else "must be a list"
    if kind in structures or kind.startswith("map:"):
        return "" if isinstance(value, dict) else "must be a mapping"
    if kind == "string":
        return "" if isinstance(value, str) else "must be a text"
    if kind == "bool":
        return "" if isinstance(value, bool) else "must be true or false"
    match = _NUMBER.fullmatch(kind)
    if match is None:
        raise ValueError(f"runtime_spec.json has the unknown type {kind}")
    bits = int(match[2] or 64)
    low, high = (0, 2**bits - 1) if match[1] else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    is_whole = isinstance(value, int) or (
        isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_PLAIN
    )
    if isinstance(value, bool) or not is_whole or not low <= int(value) <= high:
        return f"must be a whole number from {low} to {high}"
    return ""


def _fault(path: str, message: str) -> str:
    return f"{path} {message}" if path else message
