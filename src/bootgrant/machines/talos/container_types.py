"""The types of Talos's configuration that contain others: structs, lists, maps, pointers, and free YAML.

A struct is a dict of the fields that were given. An absent pointer is None, or missing from the dict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bootgrant.machines.talos.scalar_nodes import scalar_value
from bootgrant.machines.talos.scalar_types import (
    ABSENT,
    Bytes,
    Element,
    GoType,
    Reading,
    Step,
    Text,
    Value,
)
from bootgrant.machines.yaml.reading import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    describe,
    is_alias,
    is_null,
    shape,
)
from bootgrant.machines.yaml.scalars import Timestamp
from bootgrant.machines.yaml.writing import Unguarded, Written, natural_order


@dataclass(frozen=True)
class Pointer(GoType):
    """The value of ``target``, or None. A zero of the target is a value here."""

    target: GoType

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        return self.target.read(node, path, reading)

    def is_zero(self, value: Value) -> bool:
        return value is None

    def written(self, value: Value) -> Written:
        return None if value is None else self.target.written(value)

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        return value is not None and self.target.delete(value, steps)

    def selector_text(self, value: Value) -> str | None:
        return None if value is None else self.target.selector_text(value)


@dataclass(frozen=True)
class ListOf(GoType):
    """``list``. A null element is dropped; in a list of pointers it is None.

    ``by_form``: ``$patch: delete`` compares an element by what its key is written as, and not only texts.
    """

    element: GoType
    by_form: bool = True

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, SequenceNode):
            return reading.wrong(node, path, f"expected a list, found {shape(node)}")
        values = []
        for index, item in enumerate(node.items):
            value = self.element.read(item, f"{path}[{index}]", reading)
            if value is not ABSENT:
                values.append(value)
            elif isinstance(self.element, Pointer) and is_null(item):
                values.append(None)
        return values

    def zero(self) -> Value:
        return []

    def written(self, value: Value) -> Written:
        return [self.element.written(item) for item in value]

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        wanted, *further = steps
        element = self.element.target if isinstance(self.element, Pointer) else self.element
        if not isinstance(wanted, Element) or wanted.value is None or further or not isinstance(element, Struct):
            return False
        known = element.fields.get(wanted.key)
        if known is None or not (self.by_form or isinstance(known.type, Text)):
            return False
        for index, item in enumerate(value):
            if item is not None and known.type.selector_text(item.get(known.name, known.type.zero())) == wanted.value:
                del value[index]
                return True
        return False


@dataclass(frozen=True)
class MapOf(GoType):
    """``dict`` with texts as keys."""

    element: GoType

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, MappingNode):
            return reading.wrong(node, path, f"expected a mapping, found {shape(node)}")
        self._check_dropped(node, path, reading)
        values = {}
        for key, item in entries(node, path, reading):
            value = self.element.read(item, f"{path}.{key}", reading)
            if value is not ABSENT:
                values[key] = value
            elif is_null(item):
                values[key] = self.element.zero()
        return values

    def _check_dropped(self, node: MappingNode, path: str, reading: Reading) -> None:
        """Check what Talos drops, or merges with ``<<``: it must have the form of the map's values, or be an alias."""
        for key, item in node.pairs:
            if is_null(key) and not isinstance(item, ScalarNode):
                self.element.read(item, path, reading)
            if not is_merge_key(key) or is_alias(key, item):
                continue
            if not (isinstance(item, SequenceNode) and isinstance(self.element, Argument)):
                reading.wrong(item, path, "Talos takes only one alias here, such as <<: *name: write the values out")

    def zero(self) -> Value:
        return {}

    def written(self, value: Value) -> Written:
        return {key: self.element.written(value[key]) for key in natural_order(value)}

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        key, *further = steps
        if key not in value:
            return False
        if further:
            return self.element.delete(value[key], further)
        del value[key]
        return True


@dataclass(frozen=True)
class Argument(GoType):
    """An argument of ``extraArgs``: ``str``, a list of ``str`` if the release takes ``lists``, or None."""

    lists: bool = True

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if isinstance(node, SequenceNode) and self.lists:
            return ListOf(Text()).read(node, path, reading)
        if not isinstance(node, ScalarNode):
            wanted = "a text or a list of texts" if self.lists else "a text"
            return reading.wrong(node, path, f"expected {wanted}, found {shape(node)}")
        return Text().read(node, path, reading)

    def written(self, value: Value) -> Written:
        if value is None or value == "":
            return None
        # Talos does not quote these texts for YAML 1.1, so a later JSON patch may read them as booleans.
        return Unguarded(value) if isinstance(value, str) else [Unguarded(item) for item in value]


class Free(GoType):
    """Free YAML, such as configuration of Kubernetes: ``dict`` of str, int, float, bool, None, list and dict."""

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, MappingNode):
            return reading.wrong(node, path, f"expected a mapping, found {shape(node)}")
        return free_value(node, path, reading, is_top=True)

    def zero(self) -> Value:
        return {}

    def written(self, value: Value) -> Written:
        return free_written(value)

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        key, *further = steps
        if not isinstance(value, dict) or key not in value:
            return False
        if further:
            return self.delete(value[key], further)
        del value[key]
        return True


def free_value(node: Node, path: str, reading: Reading, *, is_top: bool = False) -> Value:
    """Return a node of free YAML. Dates and keys that are not texts are errors, because Talos crashes on them.

    In the mapping at the top, Talos turns keys into texts and reads ``<<`` as null; below it leaves ``<<`` out.
    """
    match node:
        case SequenceNode():
            return [
                free_value(item, f"{path}[{index}]", reading)
                for index, item in enumerate(node.items)
                if not is_merge_key(item)
            ]
        case MappingNode():
            return {
                key: None if is_merge_key(item) else free_value(item, f"{path}.{key}", reading)
                for key, item in entries(node, path, reading, keys_become_text=is_top)
                if is_top or not is_merge_key(item)
            }
        case ScalarNode():
            try:
                value = scalar_value(node)
            except ValueError as error:
                return reading.wrong(node, path, str(error))
            if isinstance(value, Timestamp):
                return reading.wrong(node, path, f"Talos reads {node.text} as a date and crashes: write it in quotes")
            return value


def is_merge_key(node: Node) -> bool:
    """Whether a node is ``<<`` without quotes."""
    return isinstance(node, ScalarNode) and node.plain and node.text == "<<"


def free_written(value: Value) -> Written:
    """Return free YAML in the order in which Talos writes it."""
    if isinstance(value, dict):
        return {key: free_written(value[key]) for key in natural_order(value)}
    if isinstance(value, list):
        return [free_written(item) for item in value]
    shown: Written = value
    return shown


def entries(
    node: MappingNode, path: str, reading: Reading, *, keys_become_text: bool = True
) -> Iterator[tuple[str, Node]]:
    """Yield the keys and values of a mapping and of those merged into it with ``<<``; its own keys win.

    Keys that are null are left out, as Talos does; where only texts can be keys, they are errors.
    """
    written: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    for key, item in node.pairs:
        if is_merge_key(key):
            for source in item.items if isinstance(item, SequenceNode) else [item]:
                if isinstance(source, MappingNode):
                    found = dict(entries(source, path, reading, keys_become_text=keys_become_text))
                    merged = found | merged
                else:
                    reading.wrong(source, path, "<< must have a mapping or a list of mappings")
            continue
        if keys_become_text and is_null(key):
            continue
        name = _key(key, reading, keys_become_text=keys_become_text)
        if name is None:
            reading.wrong(key, path, f"the key {describe(key)} is not a text: write it in quotes")
        else:
            written[name] = item
    yield from (merged | written).items()


def _key(node: ScalarNode, reading: Reading, *, keys_become_text: bool) -> str | None:
    if not node.plain and not node.tag:
        return node.text
    try:
        value = scalar_value(node)
    except ValueError:
        return None
    if isinstance(value, str):
        return value
    may_be_text = reading.dates_are_texts or not isinstance(value, Timestamp)
    return node.text if keys_become_text and may_be_text else None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a struct. ``omitted`` fields are left out when they are empty, the others are always written.

    ``$patch: delete`` finds only fields that are deletable.
    """

    name: str
    type: GoType
    omitted: bool
    is_deletable: bool = True


@dataclass(frozen=True, eq=False)
class Struct(GoType):
    """``dict`` of the fields that were given; they are written in the order of ``fields``.

    ``deciding`` are the fields that make it a value; None means all of them.
    """

    name: str
    fields: Mapping[str, Field]
    deciding: frozenset[str] | None = None

    @property
    def is_opaque_pair(self) -> bool:
        """Whether it is a pair of certificate and key, whose halves Talos cannot delete."""
        return all(isinstance(known.type, Bytes) for known in self.fields.values()) and bool(self.fields)

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, MappingNode):
            return reading.wrong(node, path, f"expected a mapping, found {shape(node)}")
        values = {}
        for key, item in node.pairs:
            below = f"{path}.{key.text}" if path else key.text
            known = self.fields.get(key.text)
            if known is None:
                reading.unknown.append((key.line, below))
                continue
            value = known.type.read(item, below, reading)
            if value is not ABSENT:
                values[known.name] = value
        return values

    def zero(self) -> Value:
        return {}

    def is_zero(self, value: Value) -> bool:
        return all(
            self.fields[name].type.is_zero(item)
            for name, item in value.items()
            if self.deciding is None or name in self.deciding
        )

    def written(self, value: Value) -> Written:
        shown: dict[str, Written] = {}
        for known in self.fields.values():
            if known.name in value and not (known.omitted and known.type.is_zero(value[known.name])):
                shown[known.name] = known.type.written(value[known.name])
            elif not known.omitted:
                shown[known.name] = known.type.written(known.type.zero())
        return shown

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        name, *further = steps
        known = self.fields.get(name) if isinstance(name, str) else None
        if known is None or not known.is_deletable or (self.is_opaque_pair and not further):
            return False
        if not further:
            value.pop(known.name, None)
            return True
        if known.name not in value:
            # A struct that is not a pointer exists even if it was not written.
            return isinstance(known.type, Struct) and known.type.delete({}, further)
        return known.type.delete(value[known.name], further)
