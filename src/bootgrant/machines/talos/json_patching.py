"""JSON patches (RFC 6902) as Talos applies them: to one document, read as YAML 1.1 and written with sorted keys.

The operations do what Talos's library does (github.com/evanphx/json-patch v5.9.11): ``replace`` of a missing key adds
it, a negative index counts from the end, a missing value is null, and ``test`` compares scalars as they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bootgrant.machines.talos.documents import ComposeError, Notes, Part, Reason
from bootgrant.machines.talos.json_conversion import (
    configuration_text,
    configuration_value,
    note_old_booleans,
    patch_value,
)
from bootgrant.machines.talos.json_reading import (
    JsonText,
    JsonValue,
    line_of_element,
    read_json_patch,
)
from bootgrant.machines.yaml.reading import (
    MAX_BYTES,
    MAX_VALUES,
    MappingNode,
    Node,
    SequenceNode,
    YamlError,
    decode,
    is_null,
    parse_yaml,
)

Operation = dict[str, JsonValue]
_INDEX: Final = re.compile("[-+]?[0-9]{1,18}")
_ESCAPES: Final = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_ESCAPED: Final = re.compile("[<>&\u2028\u2029]")
_STEP: Final = re.compile("~[01]")
_LIST_WEIGHT: Final = 64


@dataclass(slots=True)
class JsonPatch:
    """A patch by RFC 6902."""

    source: Part
    operations: list[Operation]

    @property
    def part(self) -> str:
        return self.source.name

    def line(self, index: int) -> int | None:
        """Return the line of an operation."""
        try:
            return line_of_element(decode(self.source.content), index)
        except (json.JSONDecodeError, ValueError, YamlError):
            documents = parse_yaml(self.source.content).documents
            root = documents[0] if documents else None
            return root.items[index].line if isinstance(root, SequenceNode) else None


def json_operations(part: Part) -> list[Operation] | None:
    """Return the operations of a patch in JSON, None if it is not a list of them. Raises ComposeError."""
    operations = read_json_patch(part)
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
    return [patch_value(item, part) for item in root.items]


def apply_operations(roots: Sequence[Node], base: str, patch: JsonPatch, notes: Notes) -> bytes:
    """Return the configuration with the operations applied, as Talos writes it.

    ``roots`` are the documents of the configuration, and ``base`` is the part they are from. Raises ComposeError
    (JSON_PATCH, or TOO_LARGE as soon as the configuration grows beyond the limits of one file).
    """
    if len(roots) != 1 or is_null(roots[0]):
        message = (
            f"a JSON patch needs a configuration of one document, and this one has {len(roots)}: "
            "write a strategic merge patch instead"
        )
        raise ComposeError(message, patch.part, None, Reason.JSON_PATCH)
    if not patch.operations:
        notes.append(("", "this patch is empty: as a JSON patch, it only reformats the configuration. Remove the file"))
    try:
        changing = _Changing(configuration_value(roots[0], base))
    except _OperationError as error:
        raise ComposeError(str(error), base, None, error.reason) from None
    note_old_booleans(roots[0], "", notes)
    for index, operation in enumerate(patch.operations):
        try:
            changing.apply(operation)
        except _OperationError as error:
            # Only the operation and its path: its value may be secret.
            what = f"operation {index + 1} of this JSON patch fails ({operation.get('op')} {operation.get('path')})"
            raise ComposeError(f"{what}: {error}", patch.part, patch.line(index), error.reason) from None
    try:
        text = configuration_text(changing.root)
    except RecursionError:
        message = "this JSON patch nests values too deeply: make them flatter"
        raise ComposeError(message, patch.part, None, Reason.TOO_LARGE) from None
    if len(text) > MAX_BYTES:
        raise ComposeError(_TOO_LARGE, patch.part, None, Reason.TOO_LARGE)
    return text


class _OperationError(Exception):
    """Why an operation fails."""

    def __init__(self, message: str, reason: Reason = Reason.JSON_PATCH) -> None:
        super().__init__(message)
        self.reason = reason


class _Changing:
    """A configuration while operations are applied to it. ``root`` is a mapping or a list.

    What operations add is counted and never subtracted, so that no patch takes long or makes a large configuration.
    """

    def __init__(self, root: JsonValue) -> None:
        if not isinstance(root, dict | list):
            raise _OperationError("a JSON patch needs a configuration that is a mapping")
        self.root = root
        self._values = 0
        self._bytes = 0
        self._count(root)

    def apply(self, operation: Operation) -> None:
        """Apply one operation. Raises _OperationError."""
        match operation.get("op"):
            case "add":
                path = _pointer(operation, "path")
                self._add(path, self._counted(operation.get("value")))
            case "remove":
                self._removed(_pointer(operation, "path"))
            case "replace":
                self._replace(_pointer(operation, "path"), operation)
            case "move":
                source, path = _pointer(operation, "from"), _pointer(operation, "path")
                self._add(path, self._removed(source))
            case "copy":
                source, path = _pointer(operation, "from"), _pointer(operation, "path")
                found = _get(*self._parent(source))
                self._parent(path)
                self._add(path, _copied(self._counted(found)))
            case "test":
                self._test(_pointer(operation, "path"), operation)
            case _:
                raise _OperationError(_NEEDS)

    def _parent(self, path: str) -> tuple[dict[str, JsonValue] | list[JsonValue], str]:
        """Return the mapping or list that a path ends in, and the last step."""
        first, *steps = path.split("/")
        if first or not steps:
            raise _OperationError(_NO_SUCH_PATH if not path else "a path begins with /: correct it")
        *inner, last = (_STEP.sub(lambda match: "~/"[int(match[0][1])], step) for step in steps)
        at: JsonValue = self.root
        for step in inner:
            at = _get(at, step)
            if not isinstance(at, dict | list):
                raise _OperationError(_NO_SUCH_PATH)
        return at, last

    def _add(self, path: str, value: JsonValue) -> None:
        parent, key = self._parent(path)
        if isinstance(parent, dict):
            parent[key] = value
        else:
            self._take(len(parent) // _LIST_WEIGHT, 0)
            parent.insert(len(parent) if key == "-" else _place(key, len(parent) + 1), value)

    def _removed(self, path: str) -> JsonValue:
        parent, key = self._parent(path)
        if isinstance(parent, list):
            self._take(len(parent) // _LIST_WEIGHT, 0)
            return parent.pop(_place(key, len(parent)))
        if key not in parent:
            raise _OperationError(_NO_SUCH_PATH)
        return parent.pop(key)

    def _replace(self, path: str, operation: Operation) -> None:
        value = self._counted(operation.get("value"))
        if not path:
            if not isinstance(value, dict | list):
                raise _OperationError("the whole configuration can only be replaced by a mapping or a list")
            self.root = value
            return
        parent, key = self._parent(path)
        if isinstance(parent, dict):
            parent[key] = value
        else:
            parent[_place(key, len(parent))] = value

    def _test(self, path: str, operation: Operation) -> None:
        found = self.root if not path else _get(*self._parent(path))
        if not _equal(found, operation.get("value")):
            raise _OperationError("the configuration has a different value there")

    def _counted(self, value: JsonValue) -> JsonValue:
        self._count(value)
        return value

    def _count(self, value: JsonValue) -> None:
        """Count a value and everything in it, as far as the limits allow."""
        waiting = [value]
        while waiting:
            item = waiting.pop()
            match item:
                case dict():
                    self._take(1 + len(item), sum(map(len, item)))
                    waiting += item.values()
                case list():
                    self._take(1 + len(item), 0)
                    waiting += item
                case str():
                    self._take(0, len(item))
                case _:
                    pass

    def _take(self, values: int, size: int) -> None:
        self._values += values
        self._bytes += size + values
        if self._values > MAX_VALUES or self._bytes > MAX_BYTES:
            raise _OperationError(_TOO_LARGE, Reason.TOO_LARGE)


_NO_SUCH_PATH: Final = "the configuration has no such path, or no list or mapping there: correct the path"
_TOO_LARGE: Final = f"the configuration grows beyond {MAX_VALUES:,} values or {MAX_BYTES >> 20} MiB: add less"
_NEEDS: Final = "an operation needs op (add, remove, replace, move, copy or test), path, and from or value"


def _pointer(operation: Operation, name: str) -> str:
    path = operation.get(name)
    if not isinstance(path, str):
        raise _OperationError(_NEEDS)
    return path


def _get(parent: dict[str, JsonValue] | list[JsonValue], key: str) -> JsonValue:
    """Return an element, or None for a key that is missing."""
    return parent.get(key) if isinstance(parent, dict) else parent[_place(key, len(parent))]


def _place(step: str, length: int) -> int:
    """Return the index that a step means (``strconv.Atoi``); negative ones count from the end."""
    if not _INDEX.fullmatch(step) or not -length <= int(step) < length:
        raise _OperationError(_NO_SUCH_PATH)
    return int(step) % length


def _copied(value: JsonValue) -> JsonValue:
    """Return a deep copy. Go writes its texts again, which escapes some characters."""
    match value:
        case dict():
            return {key: _copied(item) for key, item in value.items()}
        case list():
            return [_copied(item) for item in value]
        case JsonText():
            return JsonText.of(str(value), _escape(value.written))
        case _:
            return value


def _equal(left: JsonValue, right: JsonValue) -> bool:
    """Whether ``test`` takes two values for equal. Raises _OperationError where Talos crashes."""
    match left, right:
        case dict(), dict():
            return left.keys() == right.keys() and all(_equal(left[key], right[key]) for key in left)
        case list(), list():
            return len(left) == len(right) and all(map(_equal_elements, left, right))
        case str(), str():
            return left == right and _written(left) == _written(right)
        case _:
            return type(left) is type(right) and bool(left == right)


def _equal_elements(left: JsonValue, right: JsonValue) -> bool:
    if left is None or right is None:
        raise _OperationError("Talos crashes when it compares a list with a null in it: test its elements")
    return _equal(left, right)


def _written(text: str) -> str:
    """Return a text with its quotes and escapes: as the patch has them, or as Go's ``encoding/json`` writes them."""
    return text.written if isinstance(text, JsonText) else _escape(json.dumps(text, ensure_ascii=False))


def _escape(written: str) -> str:
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], written)
