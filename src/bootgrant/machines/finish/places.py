"""Find where a value of a configuration was written: its line, and the layer and line that it came from.

A path is one of talos.validation.report: ``machine.network.interfaces[0].mtu``. Keys may contain dots and brackets, so
a path is read along the values that exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bootgrant.machines.talos.documents import Part
from bootgrant.machines.talos.tables import LEGACY
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode, parse_yaml

Step: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Place:
    """A value that exists: the steps to it, its node, and the line of its key or, in a list, of itself."""

    steps: tuple[Step, ...]
    node: Node
    line: int


@dataclass(frozen=True, slots=True)
class Source:
    """The part that a value came from, and the line in it."""

    part: str
    line: int


def place_of(root: Node, path: str) -> Place:
    """Return the value at a path, or the closest parent of it that exists."""
    place = Place((), root, root.line)
    rest = path
    while rest:
        found = _first_step(place, rest)
        if found is None:
            return place
        place, rest = found
    return place


def _first_step(place: Place, path: str) -> tuple[Place, str] | None:
    node = place.node
    if isinstance(node, SequenceNode) and path.startswith("["):
        number, _, rest = path[1:].partition("]")
        if not number.isdigit() or int(number) >= len(node.items):
            return None
        item = node.items[int(number)]
        return Place((*place.steps, int(number)), item, item.line), rest
    wanted = path.removeprefix(".")
    fitting = [(key, value) for key, value in _pairs(node) if _begins_with(wanted, key.text)]
    if not fitting:
        return None
    key, value = max(fitting, key=lambda pair: len(pair[0].text))
    return Place((*place.steps, key.text), value, key.line), wanted[len(key.text) :]


def _begins_with(path: str, key: str) -> bool:
    return path == key or (path.startswith(key) and path[len(key)] in ".[")


def _pairs(node: Node) -> Iterator[tuple[ScalarNode, Node]]:
    """Yield the keys of a mapping, then those of the mappings that are merged into it."""
    if not isinstance(node, MappingNode):
        return
    for key, value in node.pairs:
        if key.text != "<<":
            yield key, value
    for key, value in node.pairs:
        if key.text == "<<":
            for merged in value.items if isinstance(value, SequenceNode) else (value,):
                yield from _pairs(merged)


def label_of(root: Node) -> str:
    """Return how a document is called in origins: ``v1alpha1``, ``HostnameConfig``, ``UserVolumeConfig:data``."""
    words = {key.text: value.text for key, value in _pairs(root) if isinstance(value, ScalarNode)}
    kind, name = words.get("kind", ""), words.get("name", "")
    return (f"{kind}:{name}" if name else kind) if kind else LEGACY


def source_of(label: str, place: Place, parts: Sequence[Part], origins: Mapping[str, str]) -> Source | None:
    """Return where a value of the finished document ``label`` was written; None if no origin is known.

    Elements of lists are found by what is in them, because a layer appends to the lists of the layers before it.
    """
    name = _part_of(label, place.steps, origins)
    part = next((part for part in parts if part.name == name), None)
    if part is None:
        return None
    for length in range(len(place.steps), -1, -1):
        lines = list(_lines_in(part, label, place.steps[:length]))
        if lines:
            same = (line for line, node in lines if _texts(node) <= _texts(place.node))
            return Source(part.name, next(same, lines[0][0]))
    return Source(part.name, 0)


def _part_of(label: str, steps: Sequence[Step], origins: Mapping[str, str]) -> str | None:
    """Return the part of a value, of the first value in it, or of the first one in its closest parent."""
    for length in range(len(steps), -1, -1):
        prefix = f"{label}/{_path(steps[:length])}"
        ends = ("", ".", "[") if length else ("",)
        for path, part in origins.items():
            if path == prefix or (path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ends[1:]):
                return part
            if not length and path.startswith(prefix):
                return part
    return None


def _path(steps: Sequence[Step]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).removeprefix(".")


def _lines_in(part: Part, label: str, steps: Sequence[Step]) -> Iterator[tuple[int, Node]]:
    """Yield every value of a part that the steps may lead to, whatever the numbers in lists are."""
    for root in parse_yaml(part.content).documents:
        if isinstance(root, SequenceNode):
            yield from _lines_in_operations(root, steps)
        elif label_of(root) == label:
            yield from _reached(root, root.line, steps)


def _reached(node: Node, line: int, steps: Sequence[Step]) -> Iterator[tuple[int, Node]]:
    if not steps:
        yield line, node
        return
    step, *further = steps
    if isinstance(step, int):
        for item in node.items if isinstance(node, SequenceNode) else ():
            yield from _reached(item, item.line, further)
        return
    for key, value in _pairs(node):
        if key.text == step:
            yield from _reached(value, key.line, further)


def _lines_in_operations(root: SequenceNode, steps: Sequence[Step]) -> Iterator[tuple[int, Node]]:
    """Yield the values of the operations of a JSON patch, the last ones first."""
    for operation in reversed(root.items):
        if not isinstance(operation, MappingNode):
            continue
        path, value = operation.get("path"), operation.get("value")
        if not isinstance(path, ScalarNode) or value is None:
            continue
        pointer = [word.replace("~1", "/").replace("~0", "~") for word in path.text.split("/")[1:]]
        if len(pointer) <= len(steps) and all(map(_leads_to, pointer, steps)):
            yield from _reached(value, value.line, steps[len(pointer) :])


def _leads_to(word: str, step: Step) -> bool:
    return word == step if isinstance(step, str) else word == "-" or word.isdigit()


def _texts(node: Node) -> frozenset[str]:
    """Return the texts of all scalars in a value."""
    match node:
        case ScalarNode():
            return frozenset((node.text,))
        case SequenceNode():
            return frozenset().union(*map(_texts, node.items))
        case MappingNode():
            return frozenset().union(*(_texts(value) for _, value in node.pairs))
