"""Between YAML and the values of JSON patches, as Talos converts them (github.com/ghodss/yaml, with yaml.v2).

A configuration is read as YAML 1.1 and written with sorted keys. A patch in YAML is read by go-yaml v4's rules.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import yaml

from bootgrant.machines.talos.documents import ComposeError, Notes, Reason
from bootgrant.machines.talos.json_reading import YAML_NULL, JsonNumber, JsonValue
from bootgrant.machines.talos.scalar_nodes import scalar_value
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode
from bootgrant.machines.yaml.scalars import (
    OLD_BOOLEANS,
    PlainValue,
    Timestamp,
    float_text,
    looks_different_to_yaml_1_1,
    old_plain_value,
    plain_value,
    rfc3339,
)
from bootgrant.machines.yaml.writing import natural_order

_SMALLEST_DECIMAL: Final = 1e-6
_LARGEST_DECIMAL: Final = 1e21


def configuration_value(root: Node, part: str) -> JsonValue:
    """Return a configuration as JSON. Raises ComposeError (JSON_PATCH)."""
    return _OldYaml(part).value(root)


def operation_value(node: MappingNode, part: str) -> dict[str, JsonValue]:
    """Return an operation of a patch in YAML as JSON. Raises ComposeError (JSON_PATCH)."""
    operation = _NewYaml(part).mapping(node)
    return operation | {"value": YAML_NULL} if operation.get("value", "") is None else operation


def number(value: float) -> JsonNumber:
    """Return a number as Go's ``encoding/json`` writes it."""
    if isinstance(value, int):
        return JsonNumber(str(value))
    if value == 0:
        return JsonNumber("-0" if math.copysign(1, value) < 0 else "0")
    if _SMALLEST_DECIMAL <= abs(value) < _LARGEST_DECIMAL:
        return JsonNumber(f"{Decimal(repr(value)).normalize():f}")
    digits, _, power = float_text(value).partition("e")
    return JsonNumber(f"{digits}e{power[0]}{power[1:].lstrip('0')}")


@dataclass(frozen=True, slots=True)
class _NewYaml:
    """Converts nodes of ``part`` by the rules of go-yaml v4."""

    part: str

    def value(self, node: Node) -> JsonValue:
        match node:
            case SequenceNode():
                return [self.value(item) for item in node.items]
            case MappingNode():
                return self.mapping(node)
            case ScalarNode():
                return self._scalar(node)

    def mapping(self, node: MappingNode) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        merged: dict[str, JsonValue] = {}
        for key, value in node.pairs:
            if key.plain and key.text == "<<":
                for source in self.merged_sources(value):
                    merged = self.mapping(source) | merged
            else:
                found[self._key(key)] = self.value(value)
        return merged | found

    def merged_sources(self, value: Node) -> list[MappingNode]:
        sources = value.items if isinstance(value, SequenceNode) else [value]
        mappings = [source for source in sources if isinstance(source, MappingNode)]
        if len(mappings) != len(sources):
            raise self.error("<< must have a mapping or a list of mappings", value)
        return mappings

    def error(self, message: str, node: Node) -> ComposeError:
        return ComposeError(message, self.part, node.line, Reason.JSON_PATCH)

    def plain(self, node: ScalarNode) -> PlainValue:
        try:
            return scalar_value(node)
        except ValueError as error:
            raise self.error(str(error), node) from None

    def timestamp(self, value: Timestamp) -> str:
        return rfc3339(value)

    def _scalar(self, node: ScalarNode) -> JsonValue:
        value = self.plain(node)
        if isinstance(value, Timestamp):
            return self.timestamp(value)
        if isinstance(value, float) and not math.isfinite(value):
            message = f"JSON has no number {node.text}, so JSON patches do not work here: write a strategic merge patch"
            raise self.error(message, node)
        return number(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value

    def _key(self, key: ScalarNode) -> str:
        value = self.plain(key)
        if isinstance(value, str):
            return value
        return self.other_key(value, key)

    def other_key(self, value: PlainValue, key: ScalarNode) -> str:
        """Return the text of a whole number. Talos built with Go before 1.27 rejects these keys, too."""
        if isinstance(value, int) and not isinstance(value, bool):
            return number(value).text
        raise self.error(f"the key {key.text!r} is not a text: write it in quotes", key)


class _OldYaml(_NewYaml):
    """Converts nodes by the rules of yaml.v2: later keys win, and keys that are not texts become texts."""

    __slots__ = ()

    def mapping(self, node: MappingNode) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {}
        for key, value in node.pairs:
            if key.plain and key.text == "<<":
                for source in reversed(self.merged_sources(value)):
                    found |= self.mapping(source)
            else:
                found[self._key(key)] = self.value(value)
        return found

    def plain(self, node: ScalarNode) -> PlainValue:
        return old_plain_value(node.text) if node.plain else super().plain(node)

    def timestamp(self, value: Timestamp) -> str:
        return value.text

    def other_key(self, value: PlainValue, key: ScalarNode) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case int() if value < 2**63:
                return str(value)
            case float():
                return float_text(value)
            case Timestamp():
                return value.text
            case _:
                raise self.error(f"Talos cannot convert the key {key.text!r} to JSON: write it in quotes", key)


def note_old_booleans(node: Node, path: str, notes: Notes) -> None:
    """Note the words that YAML 1.1 reads as booleans."""
    match node:
        case MappingNode():
            for key, value in node.pairs:
                note_old_booleans(value, f"{path}.{key.text}" if path else key.text, notes)
        case SequenceNode():
            for index, item in enumerate(node.items):
                note_old_booleans(item, f"{path}[{index}]", notes)
        case ScalarNode():
            if node.plain and node.text in OLD_BOOLEANS:
                meant = "true" if OLD_BOOLEANS[node.text] else "false"
                message = f"becomes {meant}: a JSON patch reads {node.text} as YAML 1.1. Quote it, or patch by merging"
                notes.append((path, message))


def configuration_text(value: JsonValue) -> bytes:
    """Return a configuration as Talos writes it after a JSON patch. Raises RecursionError."""
    return yaml.serialize(_to_yaml(value), Dumper=yaml.CBaseDumper, allow_unicode=True, encoding="utf-8", width=80)


def _to_yaml(value: JsonValue) -> yaml.Node:
    """Return nodes for PyYAML's emitter. Texts are quoted where a reader could mistake them for something else."""
    match value:
        case dict():
            pairs = [(_to_yaml(key), _to_yaml(value[key])) for key in natural_order(value)]
            return yaml.MappingNode("tag:yaml.org,2002:map", pairs, flow_style=not pairs)
        case list():
            return yaml.SequenceNode("tag:yaml.org,2002:seq", [_to_yaml(item) for item in value], flow_style=not value)
        case str():
            return yaml.ScalarNode("tag:yaml.org,2002:str", str(value), style=_style(value))
        case bool():
            return yaml.ScalarNode("tag:yaml.org,2002:str", "true" if value else "false")
        case JsonNumber():
            return yaml.ScalarNode("tag:yaml.org,2002:str", _number_text(value))
        case _:
            return yaml.ScalarNode("tag:yaml.org,2002:str", "null")


def _number_text(value: JsonNumber) -> str:
    """Return a number as yaml.v2 writes it after reading it; what it cannot read stays as it is."""
    read = old_plain_value(value.text)
    return float_text(read) if isinstance(read, float) else str(read)


def _style(text: str) -> str | None:
    if "\n" in text:
        return '"' if text.startswith((" ", "\n")) or "\t" in text or "\r" in text or text.isspace() else "|"
    is_safe = isinstance(plain_value(text), str) and not looks_different_to_yaml_1_1(text) and text != "<<"
    return None if is_safe else '"'
