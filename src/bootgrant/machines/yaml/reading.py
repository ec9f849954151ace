"""YAML text to nodes as Talos's parser takes it, in bounded time and memory.

libyaml (through PyYAML) cuts the text into events; go-yaml is its port, so what one refuses the other refuses. Nodes
keep what was written: a scalar's text, whether it stood without quotes, its tag and its line. What they mean is read
later, by the type of the field they stand in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_BYTES: Final = 8 * 1024 * 1024
"""One part as text. Talos itself takes configurations of 4 MiB over its API."""
MAX_DEPTH: Final = 100
"""Levels of nesting."""
MAX_NODES: Final = 250_000
"""Values in one part, each alias counted with all that it stands for; 64 characters of a text count as one more."""
MAX_DOCUMENTS: Final = 1_000
_TEXT_WEIGHT: Final = 64


class YamlError(Exception):
    """Bytes that are not YAML that can be read here, or more of it than the limits allow. ``line`` counts from 1."""

    def __init__(self, message: str, line: int | None = None, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.is_too_large = is_too_large


@dataclass(slots=True)
class Scalar:
    """``text`` as read; ``plain`` when it stood without quotes and without a tag. ``line`` counts from 1."""

    text: str
    plain: bool
    tag: str | None
    line: int


@dataclass(slots=True)
class Sequence:
    items: list[Node]
    line: int
    tag: str | None = None
    weight: int = 1


@dataclass(slots=True)
class Mapping:
    """``pairs`` in the order of the text; keys are checked to be different."""

    pairs: list[tuple[Node, Node]]
    line: int
    tag: str | None = None
    weight: int = 1


Node = Scalar | Sequence | Mapping


def read_yaml(content: bytes) -> list[Node | None]:
    """The documents of ``content``, None for one that is null. Raises YamlError."""
    return list(_Composition(content).documents())


def is_null(node: Node) -> bool:
    """Whether a node is null: nothing, ``~``, ``null``, or tagged so."""
    if not isinstance(node, Scalar):
        return False
    if node.tag == "tag:yaml.org,2002:null":
        return True
    return node.plain and node.text in {"", "~", "null", "Null", "NULL"}


def key_text(node: Node) -> str | None:
    """The text of a scalar key, None for a key that is a list or a mapping."""
    return node.text if isinstance(node, Scalar) else None


def kind_of_node(node: Node) -> str:
    """What stands there, in words."""
    match node:
        case Mapping():
            return "a mapping"
        case Sequence():
            return "a list"
        case Scalar():
            return repr(node.text if len(node.text) <= 60 else node.text[:60] + "…")


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet; ``keys`` with the line of each, ``key`` waits for its value."""

    node: Sequence | Mapping
    key: Node | None = None
    keys: dict[str, int] = field(default_factory=dict)


class _Composition:
    def __init__(self, content: bytes) -> None:
        self._text = _checked_text(content)
        # PyYAML's types say that every event may be missing; before the end of the stream none is.
        self._next_event: Callable[[], Any] = yaml.CLoader(self._text).get_event
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._weight = 0
        self._documents = 0

    def documents(self) -> Iterator[Node | None]:
        try:
            while not isinstance(event := self._next_event(), yaml.StreamEndEvent):
                if isinstance(event, yaml.DocumentStartEvent):
                    self._check_start(event)
                    self._anchors = {}
                    root = self._root()
                    yield None if is_null(root) else root
        except yaml.MarkedYAMLError as error:
            raise self._unreadable(error) from None
        except yaml.YAMLError as error:
            raise YamlError(f"not YAML: {error}".splitlines()[0]) from None

    def _root(self) -> Node:
        """Everything up to the end of the document that has just begun."""
        root = self._value(self._next_event())
        while self._open:
            event = self._next_event()
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._close()
            else:
                self._value(event)
        return root

    def _value(self, event: yaml.Event) -> Node:
        """The node that begins with ``event``, put into the list or mapping around it and counted."""
        line = _line(event)
        node = self._node(event, line)
        weight = 1 + len(node.text) // _TEXT_WEIGHT if isinstance(node, Scalar) else node.weight
        self._weight += weight
        if self._weight > MAX_NODES:
            message = f"more than {MAX_NODES} values, aliases written out: take them apart or write fewer aliases"
            raise YamlError(message, line, is_too_large=True)
        if self._open:
            parent = self._open[-1]
            parent.node.weight += weight
            self._attach(parent, node, line)
        if isinstance(event, yaml.CollectionStartEvent) and not isinstance(node, Scalar):
            self._open.append(_Open(node))
            if len(self._open) > MAX_DEPTH:
                message = f"more than {MAX_DEPTH} levels of nesting: make it flatter"
                raise YamlError(message, line, is_too_large=True)
        return node

    def _node(self, event: yaml.Event, line: int) -> Node:
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            tag = None if event.tag == "!" else event.tag
            node = Scalar(event.value, event.implicit[0] and event.tag is None, tag, line)
        elif isinstance(event, yaml.MappingStartEvent):
            node = Mapping([], line, event.tag)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Sequence([], line, event.tag)
        elif isinstance(event, yaml.AliasEvent):
            return self._aliased(str(event.anchor), line)
        else:
            raise YamlError("this is no YAML that a configuration may have", line)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _aliased(self, anchor: str, line: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise YamlError(f"*{anchor} points to nothing: write &{anchor} where the value is, before this", line)
        if any(node is outer.node for outer in self._open):
            raise YamlError(f"*{anchor} stands inside of the value that it points to: write the value out", line)
        return node

    def _close(self) -> None:
        done = self._open.pop().node
        if self._open:
            # The node itself was counted when it began.
            self._open[-1].node.weight += done.weight - 1

    def _attach(self, parent: _Open, node: Node, line: int) -> None:
        if isinstance(parent.node, Sequence):
            parent.node.items.append(node)
        elif parent.key is None:
            if isinstance(node, Scalar):
                if node.text in parent.keys:
                    first = parent.keys[node.text]
                    message = f"the key {node.text!r} is here a second time (first in line {first}): keep one of them"
                    raise YamlError(message, line)
                parent.keys[node.text] = line
            parent.key = node
        else:
            parent.node.pairs.append((parent.key, node))
            parent.key = None

    def _check_start(self, event: yaml.DocumentStartEvent) -> None:
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            message = f"more than {MAX_DOCUMENTS} documents: take the file apart"
            raise YamlError(message, _line(event), is_too_large=True)
        if event.version and event.version != (1, 1):
            raise YamlError("Talos refuses the line %YAML here: remove it", _line(event))

    def _unreadable(self, error: yaml.MarkedYAMLError) -> YamlError:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        written = self._text.splitlines()[line - 1] if line and line <= len(self._text.splitlines()) else ""
        if re.match(r" *\t", written):
            return YamlError("a tab indents this line: write spaces", line)
        problem = error.problem or error.context or "it ends too early"
        context = f" ({error.context})" if error.context and error.context != problem else ""
        return YamlError(f"not YAML: {problem}{context}; correct it here or just before", line)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _checked_text(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise too_large(content)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise YamlError("this line is not UTF-8: save the file as UTF-8", line) from None
    if match := _CONTROL.search(text):
        line = text.count("\n", 0, match.start()) + 1
        raise YamlError(f"the control character {match[0]!r} is not allowed here: remove it", line)
    return text


def too_large(content: bytes) -> YamlError:
    """The error for content over MAX_BYTES."""
    size, limit = len(content) >> 20, MAX_BYTES >> 20
    return YamlError(f"{size} MiB are too much, the limit is {limit} MiB: is it the right file?", is_too_large=True)


_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff\ud800-\udfff]")
