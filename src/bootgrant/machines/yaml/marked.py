"""YAML with the line of every value: how ``machines.yaml`` is read, so that a mistake is named with its place.

Plain scalars are read by YAML 1.2's core schema (``yes`` is a text, ``0o17`` a number). Anchors may be used; what they
multiply is counted. Nothing here recurses deeper than DEPTH.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

SIZE: Final = 8 << 20
"""Bytes of one file."""
DEPTH: Final = 64
"""Values inside values."""
NODES: Final = 2_000_000
"""Values in one file, those that aliases repeat included."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NUMBER = re.compile(r"[-+]?[0-9]+")
_NUMBER_WITH_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER: Final = 64
_WORDS: Final[dict[str, bool | None]] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip

Value = str | int | float | bool | None | list["Value"] | dict[str, "Value"]


class MarkedError(Exception):
    """Bytes that are not the YAML that is read here. ``line`` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


@dataclass(frozen=True, slots=True)
class Scalar:
    """``is_plain``: without quotes, so that it may be a number or null. ``start`` and ``end`` count characters."""

    text: str
    is_plain: bool
    line: int
    start: int
    end: int
    weight: int = 1


@dataclass(frozen=True, slots=True)
class Items:
    """A sequence."""

    nodes: tuple[Node, ...]
    line: int
    weight: int


@dataclass(frozen=True, slots=True)
class Pairs:
    """A mapping; no key twice."""

    nodes: tuple[tuple[Scalar, Node], ...]
    line: int
    weight: int

    def get(self, key: str) -> Node | None:
        return next((node for scalar, node in self.nodes if scalar.text == key), None)


Node = Scalar | Items | Pairs


def decoded(content: bytes) -> str:
    """``content`` as text. Raises MarkedError for what is no UTF-8, with the line."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise MarkedError("not UTF-8: save the file in that encoding", line) from None


def documents(content: bytes, size: int = SIZE) -> list[Node]:
    """Every document that is not empty. Raises MarkedError."""
    if len(content) > size:
        raise MarkedError(f"larger than {size >> 20} MiB: split it", 1)
    text = decoded(content)
    try:
        return list(_Builder(text).documents())
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise MarkedError(f"not YAML: {_problem(error)}", mark.line + 1 if mark else 1) from None
    except ReaderError as error:
        line = text.count("\n", 0, int(error.position)) + 1
        raise MarkedError(f"not YAML: the character U+{error.character:04X} may not stand there", line) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MarkedError(f"not YAML: {type(error).__name__}", 1) from None


def _problem(error: MarkedYAMLError) -> str:
    problem = " ".join(str(error.problem or error.context or "cannot be read").split())
    return f"{problem} (a tab? indent with spaces)" if "cannot start any token" in problem else problem


class _Builder:
    """One pass over the events of a stream."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(text, Loader=_LOADER)
        self._anchors: dict[str, Node] = {}
        self._made = 0

    def documents(self) -> Iterator[Node]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors = {}
                node = self._node(next(self._events), 1)
                if not (isinstance(node, Scalar) and is_null(node)):
                    yield node

    def _node(self, event: yaml.Event, depth: int) -> Node:
        line, _ = _place(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise MarkedError(f"*{event.anchor} names an anchor that is not finished above it", line)
            node = self._anchors[event.anchor]
            self._count(node.weight, line)
            return node
        if depth > DEPTH:
            raise MarkedError(f"nested deeper than {DEPTH} levels", line)
        self._count(1, line)
        node = self._made_of(event, depth, line)
        if isinstance(event, yaml.NodeEvent) and event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _made_of(self, event: yaml.Event, depth: int, line: int) -> Node:
        if isinstance(event, yaml.ScalarEvent):
            plain = event.style is None or event.style == ""
            start = _place(event)[1]
            return Scalar(event.value, plain, line, start, event.end_mark.index if event.end_mark else start)
        if isinstance(event, yaml.SequenceStartEvent):
            items = tuple(self._until(yaml.SequenceEndEvent, depth))
            return Items(items, line, 1 + sum(node.weight for node in items))
        return self._mapping(depth, line)

    def _mapping(self, depth: int, line: int) -> Pairs:
        nodes = tuple(self._until(yaml.MappingEndEvent, depth))
        seen: dict[str, int] = {}
        pairs = []
        for key, node in zip(nodes[::2], nodes[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise MarkedError("a key must be a single word or text", key.line)
            if key.text in seen:
                raise MarkedError(f"{key.text!r} stands here twice, first on line {seen[key.text]}", key.line)
            seen[key.text] = key.line
            pairs.append((key, node))
        return Pairs(tuple(pairs), line, 1 + sum(node.weight for node in nodes))

    def _until(self, end: type[yaml.Event], depth: int) -> Iterator[Node]:
        while not isinstance(event := next(self._events), end):
            yield self._node(event, depth + 1)

    def _count(self, weight: int, line: int) -> None:
        self._made += weight
        if self._made > NODES:
            raise MarkedError(f"more than {NODES:,} values, those that aliases repeat counted: write less", line)


def _place(event: yaml.Event) -> tuple[int, int]:
    """The line from 1, and the character from 0."""
    mark = event.start_mark
    if mark is None:
        raise MarkedError("the YAML parser lost its place", 1)
    return mark.line + 1, mark.index


def is_null(scalar: Scalar) -> bool:
    return scalar.is_plain and scalar.text in _WORDS and _WORDS[scalar.text] is None


def value(node: Node) -> Value:
    """What a program reads: texts, numbers, booleans, lists and mappings."""
    if isinstance(node, Pairs):
        return {key.text: value(inner) for key, inner in node.nodes}
    if isinstance(node, Items):
        return [value(inner) for inner in node.nodes]
    if not node.is_plain:
        return node.text
    if node.text in _WORDS:
        return _WORDS[node.text]
    return _number(node.text) if len(node.text) <= _LONGEST_NUMBER else node.text


def _number(text: str) -> int | float | str:
    if _NUMBER.fullmatch(text):
        return int(text)
    if _NUMBER_WITH_BASE.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text
