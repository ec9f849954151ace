"""JSON6902 patches (RFC 6902) as Talos applies them: one document, read as YAML 1.1, written anew with sorted keys.

The operations are the library's; what differs in Talos's library is put into its terms first: ``replace`` of a key that
is missing adds it, a negative index counts from the end, an absent value is null.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch
import jsonpointer
import yaml

from bootgrant.machines.talos.json_reading import read_json
from bootgrant.machines.talos.parts import ComposeError, Part, Reason, read_documents
from bootgrant.machines.talos.surprising import Notes
from bootgrant.machines.yaml.natural_order import natural_order
from bootgrant.machines.yaml.reading import Mapping, Node, Scalar, Sequence, key_text
from bootgrant.machines.yaml.scalars import (
    INT64_MAX,
    OLD_BOOLEANS,
    PlainValue,
    Timestamp,
    float_text,
    old_plain_value,
    plain_value,
    tempts_old_readers,
)

Operation = dict[str, Any]
_FAILURES: Final = (
    jsonpatch.JsonPatchException,
    jsonpointer.JsonPointerException,
    TypeError,
    LookupError,
    ValueError,
)
_NEGATIVE: Final = re.compile("-[0-9]{1,9}")
_INDEX: Final = re.compile("[0-9]{1,9}")


def read_operations(part: Part) -> list[Operation] | None:
    """The operations of a patch in JSON or YAML, None when it is not a list of them. Raises ComposeError."""
    text = part.content.strip()
    if text.startswith(b"["):
        return _from_json(part)
    documents = read_documents(part)
    root = documents[0] if documents else None
    if root is None:
        return []
    if not isinstance(root, Sequence) or not all(isinstance(item, Mapping) for item in root.items):
        return None
    return [_ToJson(part.name, plain_value).value(item) for item in root.items]


def _from_json(part: Part) -> list[Operation] | None:
    operations = read_json(part, Reason.JSON_PATCH)
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        return None
    return operations


def apply_operations(config: Part, operations: list[Operation], part: str, notes: Notes) -> bytes:
    """``config`` with the operations done, as Talos writes it. Raises ComposeError (JSON_PATCH)."""
    documents = read_documents(config)
    if len(documents) != 1 or documents[0] is None:
        message = (
            f"a JSON patch needs a configuration of one document, and there are {len(documents)}: "
            "write it as a strategic merge patch (the part of the configuration that changes)"
        )
        raise ComposeError(message, part, None, Reason.JSON_PATCH)
    if not operations:
        notes.empty_patch()
    target = _ToJson(config.name, old_plain_value).value(documents[0])
    _note_old_booleans(documents[0], "", notes)
    for number, operation in enumerate(operations, 1):
        target = _applied(target, operation, number, part)
    try:
        nodes = _to_yaml(target)
    except RecursionError:
        message = "this JSON patch nests values too deep: make it flatter"
        raise ComposeError(message, part, None, Reason.TOO_LARGE) from None
    return yaml.serialize(nodes, Dumper=yaml.CBaseDumper, allow_unicode=True, encoding="utf-8", width=80)


def _applied(target: Any, operation: Operation, number: int, part: str) -> Any:
    try:
        return jsonpatch.JsonPatch([_translated(target, operation)]).apply(target, in_place=True)
    except _Passes:
        return target
    except _FAILURES as error:
        # The library's own words repeat what is in the configuration, which may be secret.
        what = f"operation {number} of this JSON patch fails ({operation.get('op')} {operation.get('path')})"
        raise ComposeError(f"{what}: {_why(error)}", part, None, Reason.JSON_PATCH) from None


def _why(error: Exception) -> str:
    match error:
        case jsonpatch.JsonPatchTestFailed():
            return "the value there is another one than the test wants"
        case jsonpatch.InvalidJsonPatch():
            return (
                "an operation has op (add, remove, replace, move, copy or test), path, and from or value: complete it"
            )
        case _:
            return (
                "there is no such place in the configuration, or it is neither a list nor a mapping: correct the path"
            )


class _Passes(Exception):
    """An operation that does nothing, rightly."""


def _translated(target: Any, operation: Operation) -> Operation:
    """The operation in the library's terms."""
    changed = dict(operation)
    for name in ("path", "from"):
        if isinstance(changed.get(name), str):
            adding = name == "path" and changed.get("op") in {"add", "copy", "move"}
            changed[name] = _positive(target, changed[name], adding=adding)
    match changed.get("op"):
        case "add" | "replace" | "test":
            changed.setdefault("value", None)
    if changed.get("op") in {"replace", "test"} and _is_missing_key(target, changed.get("path")):
        if changed["op"] == "test" and changed["value"] is None:
            raise _Passes
        if changed["op"] == "replace":
            changed["op"] = "add"
    return changed


def _positive(target: Any, path: str, *, adding: bool) -> str:
    """A pointer whose negative indexes are counted from the start."""
    steps = jsonpointer.JsonPointer(path).parts
    at = target
    for index, step in enumerate(steps):
        if isinstance(at, list):
            if _NEGATIVE.fullmatch(step):
                length = len(at) + (1 if adding and index == len(steps) - 1 else 0)
                steps[index] = str(length + int(step))
            place = steps[index]
            at = at[int(place)] if _INDEX.fullmatch(place) and int(place) < len(at) else None
        elif isinstance(at, dict):
            at = at.get(step)
    return str(jsonpointer.JsonPointer.from_parts(steps).path)


def _is_missing_key(target: Any, path: Any) -> bool:
    if not isinstance(path, str) or not path:
        return False
    pointer = jsonpointer.JsonPointer(path)
    parent = jsonpointer.JsonPointer.from_parts(pointer.parts[:-1]).resolve(target, None)
    return isinstance(parent, dict) and pointer.parts[-1] not in parent


@dataclass(frozen=True, slots=True)
class _ToJson:
    """Nodes of ``part`` as JSON; ``read`` says what a plain scalar is."""

    part: str
    read: Callable[[str], PlainValue]

    def value(self, node: Node) -> Any:
        match node:
            case Sequence():
                return [self.value(item) for item in node.items]
            case Mapping():
                return self.mapping(node)
            case Scalar():
                return self._scalar(node)

    def mapping(self, node: Mapping) -> dict[str, Any]:
        found: dict[str, Any] = {}
        brought: dict[str, Any] = {}
        for key, value in node.pairs:
            if isinstance(key, Scalar) and key.plain and key.text == "<<":
                for source in value.items if isinstance(value, Sequence) else [value]:
                    if isinstance(source, Mapping):
                        brought = self.mapping(source) | brought
                continue
            found[self._key(key)] = self.value(value)
        return brought | found

    def _scalar(self, node: Scalar) -> Any:
        value = self.read(node.text) if node.plain else node.text
        if isinstance(value, Timestamp):
            return value.text
        if isinstance(value, float) and not math.isfinite(value):
            message = f"{node.text} is no number that JSON has, so a JSON patch cannot work here: patch by merging"
            raise ComposeError(message, self.part, node.line, Reason.JSON_PATCH)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2 * INT64_MAX:
            return int(value)
        return value

    def _key(self, key: Node) -> str:
        value = self.read(key.text) if isinstance(key, Scalar) and key.plain else key_text(key)
        match value:
            case bool():
                return "true" if value else "false"
            case None:
                return "null"
            case Timestamp():
                return value.text
            case float():
                return float_text(value)
            case _:
                return str(value)


def _note_old_booleans(node: Node, path: str, notes: Notes) -> None:
    match node:
        case Mapping():
            for key, value in node.pairs:
                _note_old_booleans(value, f"{path}.{key_text(key)}" if path else f"{key_text(key)}", notes)
        case Sequence():
            for index, item in enumerate(node.items):
                _note_old_booleans(item, f"{path}[{index}]", notes)
        case Scalar():
            if node.plain and node.text in OLD_BOOLEANS:
                notes.old_booleans(path, node.text)


def _to_yaml(value: Any) -> yaml.Node:
    """Nodes for the library's emitter. Texts get quotes where any reader could take them for something else."""
    match value:
        case dict():
            pairs = [(_to_yaml(key), _to_yaml(value[key])) for key in natural_order(value)]
            return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
        case list():
            return yaml.SequenceNode("tag:yaml.org,2002:seq", [_to_yaml(item) for item in value], flow_style=not value)
        case str():
            return yaml.ScalarNode("tag:yaml.org,2002:str", value, style=_style(value))
        case bool():
            return yaml.ScalarNode("tag:yaml.org,2002:str", "true" if value else "false")
        case None:
            return yaml.ScalarNode("tag:yaml.org,2002:str", "null")
        case float():
            return yaml.ScalarNode("tag:yaml.org,2002:str", float_text(value))
        case _:
            return yaml.ScalarNode("tag:yaml.org,2002:str", str(value))


def _style(text: str) -> str | None:
    if "\n" in text:
        return '"' if text.startswith((" ", "\n")) or "\t" in text or "\r" in text or text.isspace() else "|"
    return None if isinstance(plain_value(text), str) and not tempts_old_readers(text) and text != "<<" else '"'
