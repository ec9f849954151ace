"""JSON patches (RFC 6902) as Talos applies them: to one document, read as YAML 1.1 and written with sorted keys.

jsonpatch does the operations. Where the library that Talos uses differs, operations are translated first: ``replace``
of a missing key adds it, a negative index counts from the end, and a missing value is null.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jsonpatch
import jsonpointer
import yaml

from bootgrant.machines.talos.documents import ComposeError, Notes, Part, Reason
from bootgrant.machines.yaml.reading import MAX_BYTES, MAX_DEPTH, MappingNode, Node, ScalarNode, SequenceNode, is_null
from bootgrant.machines.yaml.scalars import (
    INT64_MAX,
    OLD_BOOLEANS,
    PlainValue,
    Timestamp,
    float_text,
    looks_different_to_yaml_1_1,
    old_plain_value,
    plain_value,
)
from bootgrant.machines.yaml.writing import natural_order

Operation = dict[str, Any]
_FAILURES: Final = (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, LookupError, ValueError)
_NEGATIVE: Final = re.compile("-[0-9]{1,9}")
_NEGATIVE_STEP: Final = re.compile(r"/-\d")
_INDEX: Final = re.compile("[0-9]{1,9}")


def json_operations(part: Part) -> list[Operation] | None:
    """Return the operations of a patch in JSON, None if it is not a list of them. Raises ComposeError."""
    operations = read_json(part, Reason.JSON_PATCH)
    if not isinstance(operations, list) or not all(isinstance(item, dict) for item in operations):
        return None
    return operations


def yaml_operations(roots: Sequence[Node], part: str) -> list[Operation] | None:
    """Return the operations in the first document, None if it is not a list of them. Raises ComposeError."""
    if not roots or is_null(roots[0]):
        return []
    root = roots[0]
    if not isinstance(root, SequenceNode) or not all(isinstance(item, MappingNode) for item in root.items):
        return None
    return [_ToJson(part, plain_value).value(item) for item in root.items]


def apply_operations(roots: Sequence[Node], base: str, operations: list[Operation], part: str, notes: Notes) -> bytes:
    """Return the configuration with the operations applied, as Talos writes it. Raises ComposeError (JSON_PATCH).

    ``roots`` are the documents of the configuration, and ``base`` is the part they are from; ``part`` is the patch.
    """
    if len(roots) != 1 or is_null(roots[0]):
        message = (
            f"a JSON patch needs a configuration of one document, and this one has {len(roots)}: "
            "write a strategic merge patch instead"
        )
        raise ComposeError(message, part, None, Reason.JSON_PATCH)
    if not operations:
        notes.append(("", "this patch is empty: as a JSON patch, it only reformats the configuration. Remove the file"))
    target = _ToJson(base, old_plain_value).value(roots[0])
    _note_old_booleans(roots[0], "", notes)
    for number, operation in enumerate(operations, 1):
        target = _applied(target, operation, number, part)
    try:
        nodes = _to_yaml(target)
    except RecursionError:
        message = "this JSON patch nests values too deeply: make them flatter"
        raise ComposeError(message, part, None, Reason.TOO_LARGE) from None
    return yaml.serialize(nodes, Dumper=yaml.CBaseDumper, allow_unicode=True, encoding="utf-8", width=80)


def _applied(target: Any, operation: Operation, number: int, part: str) -> Any:
    try:
        return jsonpatch.JsonPatch([_translated(target, operation)]).apply(target, in_place=True)
    except _NothingToDo:
        return target
    except _FAILURES as error:
        # The library's messages repeat values of the configuration, which may be secret.
        what = f"operation {number} of this JSON patch fails ({operation.get('op')} {operation.get('path')})"
        raise ComposeError(f"{what}: {_reason(error)}", part, None, Reason.JSON_PATCH) from None


def _reason(error: Exception) -> str:
    match error:
        case jsonpatch.JsonPatchTestFailed():
            return "the configuration has a different value there"
        case jsonpatch.InvalidJsonPatch():
            return "an operation needs op (add, remove, replace, move, copy or test), path, and from or value"
        case _:
            return "the configuration has no such path, or no list or mapping there: correct the path"


class _NothingToDo(Exception):
    """An operation that succeeds without changing anything."""


def _translated(target: Any, operation: Operation) -> Operation:
    """Return an operation that makes jsonpatch do what Talos's library does. Raises _NothingToDo."""
    changed = dict(operation)
    if isinstance(changed.get("from"), str):
        changed["from"] = _positive(target, changed["from"], adding=False)
    if isinstance(changed.get("path"), str):
        at, adding = target, changed.get("op") in {"add", "copy", "move"}
        if changed.get("op") == "move" and "from" in changed and _NEGATIVE_STEP.search(changed["path"]):
            # Talos's library removes the value first and counts without it. This copies the document, so it is rare.
            at = jsonpatch.apply_patch(target, [{"op": "remove", "path": changed["from"]}])
        changed["path"] = _positive(at, changed["path"], adding=adding)
    match changed.get("op"):
        case "add" | "replace" | "test":
            changed.setdefault("value", None)
    if changed.get("op") in {"replace", "test"} and _is_missing_key(target, changed.get("path")):
        if changed["op"] == "test" and changed["value"] is None:
            raise _NothingToDo
        if changed["op"] == "replace":
            changed["op"] = "add"
    return changed


def _positive(target: Any, path: str, *, adding: bool) -> str:
    """Return a pointer with negative indexes replaced by the indexes they mean."""
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
    """Converts nodes of ``part`` to JSON values; ``read`` interprets plain scalars."""

    part: str
    read: Callable[[str], PlainValue]

    def value(self, node: Node) -> Any:
        match node:
            case SequenceNode():
                return [self.value(item) for item in node.items]
            case MappingNode():
                return self.mapping(node)
            case ScalarNode():
                return self._scalar(node)

    def mapping(self, node: MappingNode) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.pairs:
            if key.plain and key.text == "<<":
                for source in value.items if isinstance(value, SequenceNode) else [value]:
                    if isinstance(source, MappingNode):
                        merged = self.mapping(source) | merged
                continue
            found[self._key(key)] = self.value(value)
        return merged | found

    def _scalar(self, node: ScalarNode) -> Any:
        value = self.read(node.text) if node.plain else node.text
        if isinstance(value, Timestamp):
            return value.text
        if isinstance(value, float) and not math.isfinite(value):
            message = f"JSON has no number {node.text}, so JSON patches do not work here: write a strategic merge patch"
            raise ComposeError(message, self.part, node.line, Reason.JSON_PATCH)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2 * INT64_MAX:
            return int(value)
        return value

    def _key(self, key: ScalarNode) -> str:
        value = self.read(key.text) if key.plain else key.text
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
        case MappingNode():
            for key, value in node.pairs:
                _note_old_booleans(value, f"{path}.{key.text}" if path else key.text, notes)
        case SequenceNode():
            for index, item in enumerate(node.items):
                _note_old_booleans(item, f"{path}[{index}]", notes)
        case ScalarNode():
            if node.plain and node.text in OLD_BOOLEANS:
                meant = "true" if OLD_BOOLEANS[node.text] else "false"
                message = f"becomes {meant}: a JSON patch reads {node.text} as YAML 1.1. Quote it, or patch by merging"
                notes.append((path, message))


def _to_yaml(value: Any) -> yaml.Node:
    """Return nodes for PyYAML's emitter. Texts are quoted where a reader could mistake them for something else."""
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
    is_safe = isinstance(plain_value(text), str) and not looks_different_to_yaml_1_1(text) and text != "<<"
    return None if is_safe else '"'


def read_json(part: Part, reason: Reason = Reason.UNREADABLE) -> Any:
    """Return the value of a part in JSON. Raises ComposeError with ``reason``, or TOO_LARGE."""
    if len(part.content) > MAX_BYTES:
        message = f"larger than {MAX_BYTES >> 20} MiB: is this the right file?"
        raise ComposeError(message, part.name, None, Reason.TOO_LARGE)
    try:
        value = json.loads(part.content, object_pairs_hook=_distinct, parse_constant=_reject_constant)
        _check_depth(value)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except json.JSONDecodeError as error:
        message = f"not valid JSON: {error.msg}; check this line and the one before it"
        raise ComposeError(message, part.name, error.lineno, reason) from None
    except UnicodeDecodeError:
        raise ComposeError("not UTF-8: save the file as UTF-8", part.name, None, reason) from None
    except UnicodeEncodeError:
        message = "a text in this JSON has half of a surrogate pair (\\ud800 to \\udfff): write the character"
        raise ComposeError(message, part.name, None, reason) from None
    except RecursionError:
        message = f"nested deeper than {MAX_DEPTH} levels: make it flatter"
        raise ComposeError(message, part.name, None, Reason.TOO_LARGE) from None
    except ValueError as error:
        message = f"this JSON cannot be used: {_value_error(error)}"
        raise ComposeError(message, part.name, None, reason) from None
    return value


def _check_depth(value: Any) -> None:
    """Raise RecursionError for a value with too many levels of nesting."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        if not level:
            return
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [inner for item in containers for inner in (item.values() if isinstance(item, dict) else item)]
    raise RecursionError


def _value_error(error: ValueError) -> str:
    # The messages of Python's json are for Python programmers.
    if "integer string" in str(error):
        return "a number in it is too long, shorten it"
    return "a number in it is too large" if "Out of range" in str(error) else str(error)


def _reject_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) != len(pairs):
        repeated, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f"the key {repeated!r} is repeated; keep one of them")
    return found
