"""Make configurations and patches from the type tables of a release, so that a new field is tried without a new test."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from oracle import samples
from oracle.writing import Plain

_ODDS: Final = 0.03
"""How often a value is one that does not fit."""
Value = Any


@dataclass
class Generator:
    """``schema`` is schema.json of the release."""

    schema: Mapping[str, Any]
    choose: random.Random
    odds: float = _ODDS
    _types: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self._types = self.schema["types"]

    def configuration(self) -> list[dict[str, Any]]:
        """Return a legacy document and up to three others, without values that do not fit."""
        careful = Generator(self.schema, self.choose, 0)
        legacy = {"machine": {"type": "worker"}} | careful.struct("v1alpha1.Config", 6)
        others = [careful.document() for _ in range(self.choose.randrange(4))]
        return [legacy, *_with_different_names(others)]

    def document(self, root: str = "") -> dict[str, Any]:
        """Return a document of a kind, any but the legacy one if none is named."""
        root = root or self.choose.choice([name for name in self.schema["roots"] if not name.startswith("/")])
        api_version, _, kind = root.partition("/")
        described = self._types[self.schema["roots"][root]]
        header: dict[str, Any] = {"apiVersion": api_version, "kind": kind}
        if any(name == "name" for name, _, _ in described["fields"]):
            header["name"] = self.choose.choice(samples.NAMES)
        return header | {key: value for key, value in self.struct(self.schema["roots"][root], 3).items() if key not in header}

    def patch(self, base: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return a patch of one or two documents, which mostly meet what is in the base."""
        count = self.choose.choice((1, 1, 1, 2))
        return [self._patch_document(self.choose.choice(base)) for _ in range(count)]

    def _patch_document(self, base: dict[str, Any]) -> dict[str, Any]:
        if self.choose.random() < 0.15:
            return self.document()
        kind = base.get("kind")
        root = self.schema["roots"][f"{base['apiVersion']}/{kind}" if kind else "/v1alpha1"]
        if kind and self.choose.random() < 0.05:
            return {key: base[key] for key in ("apiVersion", "kind", "name") if key in base} | {"$patch": "delete"}
        header = {key: base[key] for key in ("apiVersion", "kind", "name") if key in base} if kind else {}
        changed = self._changes(root, base, 4)
        return header | {key: value for key, value in changed.items() if key not in header}

    def _changes(self, type_name: str, base: Value, wanted: int) -> dict[str, Any]:
        """Return fields of a struct: half of those that the base has, and a few more."""
        made = self.struct(type_name, 1 if base else wanted)
        for name, below, _ in self._fields(type_name):
            if name not in base or self.choose.random() < 0.5:
                continue
            if self.choose.random() < 0.06:
                made[name] = {"$patch": "delete"}
                continue
            target = below.removeprefix("*")
            is_struct = self._types.get(target, {}).get("kind") == "struct" and target not in samples.BY_TYPE
            if is_struct and isinstance(base[name], dict):
                made[name] = self._changes(target, base[name], 2)
            elif isinstance(base[name], list) and base[name] and self.choose.random() < 0.4:
                made[name] = [self._element(below, item) for item in base[name][:2]]
            else:
                made[name] = self.value(below, 2)
        return made

    def _element(self, list_type: str, item: Value) -> Value:
        """Return an element that is like one of the base: with the same key, or one to delete."""
        if not isinstance(item, dict) or not item:
            return copy.deepcopy(item)
        first = next(iter(item))
        if self.choose.random() < 0.3:
            return {first: item[first], "$patch": "delete"}
        element = self._types.get(list_type, {}).get("elem") or list_type.removeprefix("[]")
        return {first: item[first]} | self.struct(element.removeprefix("*"), 2)

    def struct(self, type_name: str, wanted: float) -> dict[str, Any]:
        """Return about ``wanted`` of the fields of a struct."""
        fields = self._fields(type_name)
        likely = min(1.0, wanted / max(1, len(fields)))
        made = {name: self.value(below, wanted) for name, below, _ in fields if self.choose.random() < likely}
        if self.odds and self.choose.random() < self.odds / 3:
            made["unknownKey"] = 1
        return made

    def _fields(self, type_name: str) -> list[tuple[str, str, str]]:
        """Return the fields that a person writes; those of the header are made elsewhere."""
        fields = self._types[type_name]["fields"]
        return [(name, below, flags) for name, below, flags in fields if "i" not in flags and "u" not in flags]

    def value(self, type_name: str, wanted: float) -> Value:
        """Return a value of a type, rarely one that does not fit."""
        if self.choose.random() < self.odds:
            return samples.odd(self.choose)
        if type_name in samples.BY_TYPE:
            return samples.scalar(type_name, None, self.choose)
        if type_name.startswith("*"):
            return self.value(type_name[1:], wanted)
        if type_name.startswith("[]"):
            return [self.value(type_name[2:], wanted) for _ in range(self.choose.choice((0, 1, 1, 2)))]
        if type_name.startswith("map[string]"):
            keys = self.choose.sample(samples.NAMES, self.choose.choice((0, 1, 1, 2)))
            return {key: self.value(type_name.removeprefix("map[string]"), wanted) for key in keys}
        described = self._types.get(type_name)
        match described["kind"] if described else "":
            case "struct":
                return self.struct(type_name, max(1.5, wanted - 1))
            case "slice":
                return self.value(f"[]{described['elem']}", wanted) if described else []
            case "map":
                return self.value(f"map[string]{described['elem']}", wanted) if described else {}
            case _:
                return samples.scalar(type_name, described, self.choose)


def _with_different_names(documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out documents that repeat another one."""
    seen: dict[tuple[str, str], dict[str, Any]] = {}
    for document in documents:
        seen.setdefault((document["kind"], str(document.get("name"))), document)
    return list(seen.values())


def operations(base: Value, choose: random.Random) -> list[dict[str, Any]]:
    """Return a JSON patch of one to three operations on paths that mostly exist."""
    paths = list(_paths(base, ""))
    made = []
    for _ in range(choose.choice((1, 1, 2, 3))):
        name = choose.choice(("add", "add", "replace", "remove", "test", "copy", "move"))
        path = choose.choice(paths)
        if choose.random() < 0.3:
            path += choose.choice(("/new", "/-", "/0", "/01", "/-1", "/a~1b", "/x/y", ""))
        operation: dict[str, Any] = {"op": name, "path": path}
        if name in ("copy", "move"):
            operation["from"] = choose.choice(paths)
        if name in ("add", "replace", "test"):
            operation["value"] = samples.odd(choose)
        if choose.random() < 0.03:
            operation.pop(choose.choice(list(operation)))
        made.append(operation)
    return made


def _paths(value: Value, path: str) -> list[str]:
    """Return the JSON pointers of every value but the root."""
    found = [path] if path else []
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in pairs:
        if not isinstance(item, Plain):
            found += _paths(item, f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found
