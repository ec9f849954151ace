"""The types of Talos's configuration that hold others: structs, lists, maps, pointers, and free YAML.

A struct is a dict of the fields that were given; a list is a list; an absent pointer is None or no field at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Mapped
from dataclasses import dataclass

from bootgrant.machines.talos.go_types import ABSENT, GoType, Reading, Value, scalar_value
from bootgrant.machines.talos.scalar_types import Bytes, Text
from bootgrant.machines.yaml.natural_order import natural_order
from bootgrant.machines.yaml.reading import Mapping, Node, Scalar, Sequence, is_null, kind_of_node
from bootgrant.machines.yaml.scalars import Timestamp
from bootgrant.machines.yaml.writing import Unguarded, Written


@dataclass(frozen=True)
class Pointer(GoType):
    """The value of ``target``, or None; a zero behind a pointer is a value."""

    target: GoType

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        return self.target.read(node, path, reading)

    def zero(self) -> Value:
        return None

    def is_zero(self, value: Value) -> bool:
        return value is None

    def written(self, value: Value) -> Written:
        return None if value is None else self.target.written(value)

    def selector_text(self, value: Value) -> str | None:
        return None if value is None else self.target.selector_text(value)


@dataclass(frozen=True)
class ListOf(GoType):
    """``list``. A null element is dropped, in a list of pointers it is None."""

    element: GoType

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, Sequence):
            return reading.refuse(node, path, f"{kind_of_node(node)} stands here, a list is expected")
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


@dataclass(frozen=True)
class MapOf(GoType):
    """``dict`` by text."""

    element: GoType

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, Mapping):
            return reading.refuse(node, path, f"{kind_of_node(node)} stands here, a mapping is expected")
        values = {}
        for key, item in entries(node, path, reading):
            value = self.element.read(item, f"{path}.{key}", reading)
            if value is not ABSENT:
                values[key] = value
            elif is_null(item):
                values[key] = self.element.zero()
        return values

    def zero(self) -> Value:
        return {}

    def written(self, value: Value) -> Written:
        return {key: self.element.written(value[key]) for key in natural_order(value)}


class Argument(GoType):
    """One of ``extraArgs``: ``str``, a list of ``str``, or None."""

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if isinstance(node, Sequence):
            return ListOf(Text()).read(node, path, reading)
        if isinstance(node, Mapping):
            return reading.refuse(node, path, "a mapping stands here, a text or a list of texts is expected")
        return Text().read(node, path, reading)

    def zero(self) -> Value:
        return None

    def written(self, value: Value) -> Written:
        if not value:
            return None
        # Talos writes these texts without caring for readers of YAML 1.1; a later JSON patch then reads them so.
        return Unguarded(value) if isinstance(value, str) else value


class Free(GoType):
    """Free YAML (``dict`` of str, int, float, bool, None, list, dict): what is Kubernetes' and not Talos's."""

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, Mapping):
            return reading.refuse(node, path, f"{kind_of_node(node)} stands here, a mapping is expected")
        return free_value(node, path, reading, keys_become_text=True)

    def zero(self) -> Value:
        return {}

    def written(self, value: Value) -> Written:
        return free_written(value)


def free_value(node: Node, path: str, reading: Reading, *, keys_become_text: bool = False) -> Value:
    """A node of free YAML. Talos crashes on dates and on keys that are no texts, so they are refused."""
    match node:
        case Sequence():
            return [free_value(item, f"{path}[{index}]", reading) for index, item in enumerate(node.items)]
        case Mapping():
            return {
                key: free_value(item, f"{path}.{key}", reading)
                for key, item in entries(node, path, reading, keys_become_text=keys_become_text)
            }
        case Scalar():
            try:
                value = scalar_value(node)
            except ValueError as error:
                return reading.refuse(node, path, str(error))
            if isinstance(value, Timestamp):
                return reading.refuse(
                    node, path, f"{node.text} is a date to Talos, which fails on it: write it in quotes"
                )
            return value


def free_written(value: Value) -> Written:
    """Free YAML in the order in which Talos writes it."""
    if isinstance(value, dict):
        return {key: free_written(value[key]) for key in natural_order(value)}
    if isinstance(value, list):
        return [free_written(item) for item in value]
    shown: Written = value
    return shown


def entries(node: Mapping, path: str, reading: Reading, *, keys_become_text: bool = True) -> Iterator[tuple[str, Node]]:
    """The keys and values of a mapping; ``<<`` brings those of other mappings, and what is written out wins."""
    written: dict[str, Node] = {}
    brought: dict[str, Node] = {}
    for key, item in node.pairs:
        if isinstance(key, Scalar) and key.plain and key.text == "<<":
            for source in item.items if isinstance(item, Sequence) else [item]:
                if isinstance(source, Mapping):
                    found = dict(entries(source, path, reading, keys_become_text=keys_become_text))
                    brought = found | brought
                else:
                    reading.refuse(source, path, "<< takes a mapping or a list of mappings")
            continue
        name = _key(key, keys_become_text=keys_become_text)
        if name is None:
            reading.refuse(key, path, f"the key {kind_of_node(key)} is no text: write it in quotes")
        else:
            written[name] = item
    yield from (brought | written).items()


def _key(node: Node, *, keys_become_text: bool) -> str | None:
    if not isinstance(node, Scalar):
        return None
    if not node.plain and not node.tag:
        return node.text
    try:
        value = scalar_value(node)
    except ValueError:
        return None
    if isinstance(value, str):
        return value
    return node.text if keys_become_text and not isinstance(value, Timestamp) else None


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a struct; ``omitted`` when empty, else it is always written."""

    name: str
    type: GoType
    omitted: bool


@dataclass(frozen=True, eq=False)
class Struct(GoType):
    """``dict`` of the fields that were given; the order of ``fields`` is the order of writing."""

    name: str
    fields: Mapped[str, Field]

    @property
    def is_opaque_pair(self) -> bool:
        """Whether Talos holds it as bytes of its own (certificate and key), whose halves cannot be deleted."""
        return all(isinstance(known.type, Bytes) for known in self.fields.values()) and bool(self.fields)

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, Mapping):
            return reading.refuse(node, path, f"{kind_of_node(node)} stands here, a mapping is expected")
        values = {}
        for key, item in node.pairs:
            name = key.text if isinstance(key, Scalar) else None
            below = f"{path}.{name}" if path else str(name)
            known = self.fields.get(name) if name is not None else None
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
        return all(self.fields[name].type.is_zero(item) for name, item in value.items())

    def written(self, value: Value) -> Written:
        shown: dict[str, Written] = {}
        for known in self.fields.values():
            if known.name in value and not (known.omitted and known.type.is_zero(value[known.name])):
                shown[known.name] = known.type.written(value[known.name])
            elif not known.omitted:
                shown[known.name] = known.type.written(known.type.zero())
        return shown
