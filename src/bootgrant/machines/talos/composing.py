"""Compose a configuration out of its layers, and work out which part each value came from.

The first part is the base, the others are patches in order. Talos configurations are merged as ``talosctl machineconfig
patch`` merges them (pkg/machinery/config/configpatcher). The other kinds are merged as plain YAML or JSON: mappings key
by key, lists are appended to, a null removes its key (RFC 7396), everything else replaces. YAML scalars of those keep
the text that they were written with, so it does not matter which version of YAML their reader uses.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import Any, Final

import yaml

from bootgrant.machines.talos.documents import ComposeError, Part, Reason, read_documents
from bootgrant.machines.talos.json_reading import read_json
from bootgrant.machines.talos.patching import Patching, Surprise, read_patch
from bootgrant.machines.talos.tables import NEWEST, TalosTables, talos_tables
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode, is_null
from bootgrant.machines.yaml.writing import Written

_CLOUD_CONFIG: Final = b"#cloud-config\n"
_LOOK_AHEAD: Final = 64


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed configuration. ``origins``: ``document/path.of.value`` to the name of the part that it came from.

    The document is ``v1alpha1`` for the one without a kind, else the kind, with ``:name`` if it has a name. A list
    element is ``path[0]``. Origins are worked out on first use.
    """

    config: bytes = field(repr=False)
    surprises: tuple[Surprise, ...]
    origins: Mapping[str, str]


def compose(parts: Sequence[Part], release: str = NEWEST) -> Composed:
    """Compose a Talos configuration for a release such as ``1.12``. Raises ComposeError.

    A base without patches is returned byte for byte, without reading it, as Talos does.
    """
    if not parts:
        raise ComposeError("there is nothing to compose: name the base document first", reason=Reason.EMPTY)
    return compose_with(parts, talos_tables(release))


def compose_with(parts: Sequence[Part], known: TalosTables) -> Composed:
    """Compose one or more parts with these tables. Raises ComposeError."""
    patches = [read_patch(part, known) for part in parts[1:]]
    patching = Patching(known, parts[0])
    for patch in patches:
        patching.apply(patch)
    return Composed(patching.text(), tuple(patching.surprises), Origins(tuple(parts), known))


def compose_plain(parts: Sequence[Part], kind: str) -> Composed:
    """Compose a configuration of another kind; a single part is returned byte for byte. Raises ComposeError."""
    if kind not in _MERGES:
        raise ComposeError(f"there is no schema {kind!r}: write one of talos, {', '.join(_MERGES)}")
    if not parts:
        raise ComposeError("there is nothing to compose: name a file first", reason=Reason.EMPTY)
    origins = {"": parts[0].name} if len(parts) == 1 else {}
    return Composed(_MERGES[kind](parts), (), origins)


def _only(parts: Sequence[Part]) -> bytes:
    if len(parts) > 1:
        message = "texts cannot be merged: the schema text takes one file, and this is the second"
        raise ComposeError(message, parts[1].name, None, Reason.MERGE)
    return parts[0].content


def _merge_json(parts: Sequence[Part]) -> bytes:
    merged = reduce(_merge_values, [_read_json(part) for part in parts])
    if len(parts) == 1:
        return parts[0].content
    return (json.dumps(merged, indent=2, ensure_ascii=False) + "\n").encode("utf-8")


def _read_json(part: Part) -> dict[str, Any]:
    value = read_json(part)
    if not isinstance(value, dict):
        raise ComposeError("expected a mapping {…}", part.name, 1, Reason.WRONG_TYPE)
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


def _merge_cloud_config(parts: Sequence[Part]) -> bytes:
    for part in parts:
        if not part.content.startswith(b"#cloud-config"):
            message = "the first line must be #cloud-config, or cloud-init ignores the file: add it"
            raise ComposeError(message, part.name, 1)
    return _merge_yaml(parts, _CLOUD_CONFIG)


def _merge_yaml(parts: Sequence[Part], heading: bytes = b"") -> bytes:
    nodes: list[Node] = [_read_yaml(part) for part in parts]
    merged = reduce(_merge_nodes, nodes)
    if len(parts) == 1:
        return parts[0].content
    text = yaml.serialize(_to_yaml(merged), Dumper=yaml.CBaseDumper, allow_unicode=True, encoding="utf-8", width=2**30)
    return heading + text


def _read_yaml(part: Part) -> MappingNode:
    roots = read_documents(part)
    if len(roots) != 1 or not isinstance(roots[0], MappingNode):
        found = "another value" if len(roots) == 1 else f"{len(roots)} documents"
        message = f"expected one document with a mapping, found {found}"
        raise ComposeError(message, part.name, None, Reason.WRONG_TYPE)
    return roots[0]


def _merge_nodes(left: Node, right: Node) -> Node:
    if isinstance(left, MappingNode) and isinstance(right, MappingNode):
        removed = {key.text for key, value in right.pairs if is_null(value)}
        pairs = [(key, value) for key, value in left.pairs if key.text not in removed]
        places = {key.text: at for at, (key, _) in enumerate(pairs)}
        for key, value in right.pairs:
            at = places.get(key.text)
            if is_null(value):
                continue
            if at is None:
                pairs.append((key, value))
            else:
                pairs[at] = (pairs[at][0], _merge_nodes(pairs[at][1], value))
        return MappingNode(pairs, left.line, left.tag)
    if isinstance(left, SequenceNode) and isinstance(right, SequenceNode):
        return SequenceNode(left.items + right.items, left.line, left.tag)
    return right


def _to_yaml(node: Node) -> yaml.Node:
    match node:
        case MappingNode():
            pairs = [(_to_yaml(key), _to_yaml(value)) for key, value in node.pairs]
            return yaml.MappingNode(node.tag or "tag:yaml.org,2002:map", pairs, flow_style=not pairs)
        case SequenceNode():
            items = [_to_yaml(item) for item in node.items]
            return yaml.SequenceNode(node.tag or "tag:yaml.org,2002:seq", items, flow_style=not items)
        case ScalarNode():
            style = None if node.plain else "|" if "\n" in node.text else '"'
            return yaml.ScalarNode(node.tag or "tag:yaml.org,2002:str", node.text, style=style)


_MERGES: Final[Mapping[str, Callable[[Sequence[Part]], bytes]]] = {
    "yaml": _merge_yaml,
    "json": _merge_json,
    "cloud-config": _merge_cloud_config,
    "ignition": _merge_json,
    "text": _only,
}
"""How the parts of each other schema become one text."""


@dataclass(slots=True)
class Origin:
    """A scalar and the name of the part that it came from."""

    value: Written
    part: str


Traced = Any
"""Origin, or a list or dict of them, in the shape of the written value."""


@dataclass(frozen=True)
class Origins(Mapping[str, str]):
    """``document/path.of.value`` to the name of a part, worked out on first use.

    The parts are composed again, one after the other, and each step is compared with the one before: a new or different
    value is from the part of that step.
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
            # A base without patches is served without reading it, so it may not be a configuration.
            return {}
        return {path: name for label, tree in traced.items() for path, name in _leaves(tree, f"{label}/")}


def _step(before: dict[str, Traced], patching: Patching, part: str) -> dict[str, Traced]:
    now = {document.label: document.written() for document in patching.loaded()}
    return {label: _trace(before.get(label), value, part) for label, value in now.items()}


def _trace(before: Traced, now: Written, part: str) -> Traced:
    """Return ``now`` with origins: unchanged values keep theirs, the others are from ``part``."""
    if isinstance(now, dict):
        old = before if isinstance(before, dict) else {}
        return {key: _trace(old.get(key), value, part) for key, value in now.items()}
    if isinstance(now, list):
        return _trace_list(before if isinstance(before, list) else [], now, part)
    if isinstance(before, Origin) and before.value == now:
        return before
    return Origin(now, part)


def _trace_list(before: list[Traced], now: list[Written], part: str) -> list[Traced]:
    """Find elements by value, because deleting one moves the others; a changed element keeps its place."""
    traced: list[Traced] = []
    at = 0
    for index, value in enumerate(now):
        ahead = range(at, min(at + _LOOK_AHEAD, len(before)))
        same = next((place for place in ahead if _written(before[place]) == value), None)
        if same is not None:
            traced.append(before[same])
            at = same + 1
        else:
            replaced = at < len(before) and len(now) - index >= len(before) - at
            traced.append(_trace(before[at] if replaced else None, value, part))
            at += 1 if replaced else 0
    return traced


def _written(traced: Traced) -> Written:
    """Return the value without its origins."""
    if isinstance(traced, Origin):
        return traced.value
    if isinstance(traced, list):
        return [_written(item) for item in traced]
    return {key: _written(item) for key, item in traced.items()}


def _leaves(traced: Traced, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(traced, Origin):
        yield path, traced.part
    elif isinstance(traced, list):
        for index, item in enumerate(traced):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        for key, item in traced.items():
            yield from _leaves(item, path + key if path.endswith("/") else f"{path}.{key}")
