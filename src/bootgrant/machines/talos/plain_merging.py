"""Configurations that are not Talos's: merged as plain YAML or JSON, or served as they are.

Mappings are merged key by key, lists are appended to, a null removes the key (as RFC 7396 has it), everything else
replaces. YAML scalars keep the text that they were written with, so it does not matter which YAML their reader speaks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence as Listed
from enum import StrEnum
from typing import Any, assert_never

import yaml

from bootgrant.machines.talos.json_reading import read_json
from bootgrant.machines.talos.parts import Composed, ComposeError, Part, Reason, read_documents
from bootgrant.machines.yaml.reading import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    is_null,
    key_text,
)

_CLOUD_CONFIG = b"#cloud-config\n"


class PlainKind(StrEnum):
    """The ``schema`` of an entry, beside ``talos``."""

    YAML = "yaml"
    JSON = "json"
    CLOUD_CONFIG = "cloud-config"
    IGNITION = "ignition"
    TEXT = "text"


def merge_plain(parts: Listed[Part], kind: str) -> Composed:
    """One configuration out of ``parts``; one part alone is given back byte for byte. Raises ComposeError."""
    if kind not in set(PlainKind):
        raise ComposeError(f"there is no schema {kind!r}: it is one of talos, {', '.join(PlainKind)}")
    if not parts:
        raise ComposeError("there is nothing to compose: name a file first", reason=Reason.EMPTY)
    origins = {"": parts[0].name} if len(parts) == 1 else {}
    return Composed(_merged(parts, PlainKind(kind)), (), origins)


def _merged(parts: Listed[Part], kind: PlainKind) -> bytes:
    match kind:
        case PlainKind.TEXT:
            return _only(parts)
        case PlainKind.JSON | PlainKind.IGNITION:
            return _merge_json(parts)
        case PlainKind.YAML:
            return _merge_yaml(parts)
        case PlainKind.CLOUD_CONFIG:
            return _merge_cloud_config(parts)
        case _:
            assert_never(kind)


def _only(parts: Listed[Part]) -> bytes:
    if len(parts) > 1:
        message = "texts cannot be merged: the schema text takes one file, this is the second"
        raise ComposeError(message, parts[1].name, None, Reason.MERGE)
    return parts[0].content


def _merge_json(parts: Listed[Part]) -> bytes:
    read = [_read_json(part) for part in parts]
    if len(parts) == 1:
        return parts[0].content
    merged = read[0]
    for value in read[1:]:
        merged = _merge_values(merged, value)
    return (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _read_json(part: Part) -> dict[str, Any]:
    value = read_json(part)
    if not isinstance(value, dict):
        raise ComposeError("a mapping {…} is expected here", part.name, 1, Reason.WRONG_TYPE)
    return value


def _merge_values(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        merged = {key: value for key, value in left.items() if right.get(key, value) is not None}
        for key, value in right.items():
            if value is not None:
                merged[key] = _merge_values(merged.get(key), value)
        return merged
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    return right


def _merge_cloud_config(parts: Listed[Part]) -> bytes:
    for part in parts:
        if not part.content.startswith(b"#cloud-config"):
            message = "cloud-init takes a file for its configuration only when the first line is #cloud-config: add it"
            raise ComposeError(message, part.name, 1)
    return _merge_yaml(parts, _CLOUD_CONFIG)


def _merge_yaml(parts: Listed[Part], heading: bytes = b"") -> bytes:
    read = [_read_yaml(part) for part in parts]
    if len(parts) == 1:
        return parts[0].content
    merged: Node = read[0]
    for node in read[1:]:
        merged = _merge_nodes(merged, node)
    text = yaml.serialize(_to_yaml(merged), Dumper=yaml.CBaseDumper, allow_unicode=True, encoding="utf-8", width=2**30)
    return heading + text


def _read_yaml(part: Part) -> Mapping:
    roots = read_documents(part)
    if len(roots) != 1 or not isinstance(roots[0], Mapping):
        message = f"one document with a mapping is expected, and there are {len(roots)} documents"
        if len(roots) == 1:
            message = "a mapping is expected here"
        raise ComposeError(message, part.name, None, Reason.WRONG_TYPE)
    return roots[0]


def _merge_nodes(left: Node, right: Node) -> Node:
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        removed = {key_text(key) for key, value in right.pairs if is_null(value)}
        pairs = [(key, value) for key, value in left.pairs if key_text(key) not in removed]
        places = {name: at for at, (key, _) in enumerate(pairs) if (name := key_text(key)) is not None}
        for key, value in right.pairs:
            name = key_text(key)
            if is_null(value):
                continue
            if name is not None and name in places:
                pairs[places[name]] = (pairs[places[name]][0], _merge_nodes(pairs[places[name]][1], value))
            else:
                pairs.append((key, value))
        return Mapping(pairs, left.line, left.tag)
    if isinstance(left, Sequence) and isinstance(right, Sequence):
        return Sequence(left.items + right.items, left.line, left.tag)
    return right


def _to_yaml(node: Node) -> yaml.Node:
    match node:
        case Mapping():
            pairs = [(_to_yaml(key), _to_yaml(value)) for key, value in node.pairs]
            return yaml.MappingNode(node.tag or "tag:yaml.org,2002:map", pairs, flow_style=not pairs)
        case Sequence():
            items = [_to_yaml(item) for item in node.items]
            return yaml.SequenceNode(node.tag or "tag:yaml.org,2002:seq", items, flow_style=not items)
        case Scalar():
            style = None if node.plain else "|" if "\n" in node.text else '"'
            return yaml.ScalarNode(node.tag or "tag:yaml.org,2002:str", node.text, style=style)
