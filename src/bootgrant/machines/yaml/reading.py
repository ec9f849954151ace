"""Read YAML text into nodes with their positions, within limits.

libyaml (through PyYAML) splits the text into events. go-yaml, which Talos uses, is a port of libyaml, so the two reject
the same texts. Nodes keep what was written: the text of a scalar, its tag, whether it was quoted, and where it is. What
a scalar means depends on who reads it (scalars.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from bootgrant.wire.limits import CONFIG

MAX_BYTES: Final = CONFIG
"""The size of one file."""
MAX_DEPTH: Final = 100
"""Levels of nesting."""
MAX_VALUES: Final = 1_000_000
"""Values in one file. An alias counts as everything it repeats, and every 64 characters of a text as one more value."""
_LONGEST_QUOTED: Final = 60
_TEXT_WEIGHT: Final = 64
# What go-yaml reads as text in flow style, and libyaml as an indicator: "?" before anything, ":" after "[" or ",".
_FLOW_TEXT: Final = re.compile(r"(?P<before>[\[,]\s*):(?=[^\s,\[\]{}])|\?(?<=[\s,\[\]{}:]\?)(?=\S)")
_QUESTION: Final = re.compile(r"\?\s")
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ufffe\uffff]")


class YamlError(Exception):
    """A text that is not valid YAML, or exceeds a limit. ``line`` counts from 1 and is None for the file as a whole."""

    def __init__(self, message: str, line: int | None = None, *, is_too_large: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.is_too_large = is_too_large


@dataclass(slots=True)
class ScalarNode:
    """``text`` as written, without quotes and escapes; ``plain`` when it has neither quotes nor a tag.

    ``line`` counts lines from 1; ``start`` and ``end`` count characters from 0.
    """

    text: str
    plain: bool
    tag: str | None
    line: int
    start: int
    end: int


@dataclass(slots=True)
class SequenceNode:
    """``weight`` counts the values in it, ``height`` its levels of nesting; both include what aliases repeat.

    ``start`` counts characters from 0.
    """

    items: list[Node]
    line: int
    tag: str | None = None
    start: int = 0
    weight: int = 1
    height: int = 1


@dataclass(slots=True)
class MappingNode:
    """``pairs`` in the order of the text; all keys are different. ``start`` counts characters from 0."""

    pairs: list[tuple[ScalarNode, Node]]
    line: int
    tag: str | None = None
    start: int = 0
    weight: int = 1
    height: int = 1

    def get(self, key: str) -> Node | None:
        """Return the value of a key, or None."""
        return next((value for name, value in self.pairs if name.text == key), None)


Node = ScalarNode | SequenceNode | MappingNode


@dataclass(frozen=True, slots=True, repr=False)
class ParsedYaml:
    """A file and its documents.

    ``text`` is the content without a byte order mark, with U+FFFD for bytes that are not UTF-8. ``error`` says why the
    content is not valid YAML; ``documents`` are then what could still be read, usually nothing. ``version_line`` is the
    line of the first ``%YAML`` directive for a version other than 1.1.
    """

    content: bytes
    text: str
    documents: tuple[Node, ...] = ()
    error: YamlError | None = None
    version_line: int | None = None


def read_yaml(content: bytes) -> tuple[Node, ...]:
    """Return the documents of a file. Raises YamlError."""
    parsed = parse_yaml(content)
    if parsed.error is not None:
        raise parsed.error
    return parsed.documents


def parse_yaml(content: bytes) -> ParsedYaml:
    """Parse a file; the result carries the error if there is one."""
    text, error = _decoded(content)
    if len(content) > MAX_BYTES:
        error = YamlError(f"larger than {MAX_BYTES >> 20} MiB: is this the right file?", is_too_large=True)
        return ParsedYaml(content, text, (), error)
    if match := _CONTROL.search(text):
        message = f"the control character U+{ord(match[0]):04X} is not allowed in YAML: remove it"
        return ParsedYaml(content, text, (), error or YamlError(message, text.count("\n", 0, match.start()) + 1))
    composition = _Composition(text)
    try:
        documents = tuple(composition.documents())
    except YamlError as wrong:
        return ParsedYaml(content, text, (), error or wrong)
    except yaml.MarkedYAMLError as wrong:
        return ParsedYaml(content, text, (), error or _invalid(text, wrong))
    except yaml.YAMLError as wrong:
        return ParsedYaml(content, text, (), error or YamlError(f"not valid YAML: {wrong}".splitlines()[0]))
    return ParsedYaml(content, text, documents, error, composition.version_line)


def decode(content: bytes) -> str:
    """Return a UTF-8 file as text, without its byte order mark. Raises YamlError."""
    text, error = _decoded(content)
    if error is not None:
        raise error
    return text


def is_null(node: Node) -> bool:
    """Whether a node is null: empty, ``~``, ``null`` without quotes, or tagged ``!!null``."""
    if not isinstance(node, ScalarNode):
        return False
    may_be_null = node.plain or node.tag == "tag:yaml.org,2002:null"
    return may_be_null and node.text in {"", "~", "null", "Null", "NULL"}


def is_alias(key: ScalarNode, value: Node) -> bool:
    """Whether the value of a key is an alias: the value that it repeats stands before the key."""
    return value.start < key.start


def describe(node: Node) -> str:
    """Return "a mapping", "a list" or the quoted text, for messages about a value that people may see."""
    return quoted(node.text) if isinstance(node, ScalarNode) else shape(node)


def shape(node: Node) -> str:
    """Return "a mapping", "a list" or "a single value", for messages about a value that may be a secret."""
    match node:
        case MappingNode():
            return "a mapping"
        case SequenceNode():
            return "a list"
        case ScalarNode():
            return "a single value"


def quoted(text: str) -> str:
    """Return a text in quotes, for messages. A long one is not repeated: it may be a secret, and so may a part."""
    return repr(text) if len(text) <= _LONGEST_QUOTED else f"a text of {len(text)} characters"


def _decoded(content: bytes) -> tuple[str, YamlError | None]:
    try:
        return content.decode("utf-8-sig"), None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return content.decode("utf-8-sig", "replace"), YamlError("not UTF-8: save the file as UTF-8", line)


def _invalid(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else None
    lines = text.splitlines()
    if line and line <= len(lines) and re.match(r" *\t", lines[line - 1]):
        return YamlError("this line is indented with a tab: use spaces", line)
    problem = error.problem or error.context or "it ends too early"
    context = f" ({error.context})" if error.context and error.context != problem else ""
    return YamlError(f"not valid YAML: {problem}{context}; check this line and the lines before it", line)


def _mask_flow_text(text: str) -> tuple[str, dict[int, str]]:
    """Return the text with other characters for ``?`` and ``:`` that are text, and what those characters stand for."""
    if _FLOW_TEXT.search(text) is None:
        return text, {}
    question, colon = (chr(point) for point, _ in zip(_unused(text), range(2), strict=False))

    def masked(match: re.Match[str]) -> str:
        return question if match["before"] is None else match["before"] + colon

    return _FLOW_TEXT.sub(masked, text), {ord(question): "?", ord(colon): ":"}


def _unused(text: str) -> Iterator[int]:
    """Yield characters for private use that the text does not have."""
    used = set(text)
    return (point for point in range(0xE000, 0xF900) if chr(point) not in used)


@dataclass(slots=True)
class _Open:
    """A list or mapping that has not ended yet.

    ``counted`` is how many values came before it, ``keys`` has the line of each key so far, and ``key`` waits for its
    value. ``is_flow``: it is written with brackets.
    """

    node: SequenceNode | MappingNode
    counted: int
    is_flow: bool
    keys: dict[str, int] = field(default_factory=dict)
    key: ScalarNode | None = None


class _Composition:
    """One pass over the events of a text, without recursion. Anchors are known in the documents after theirs, too."""

    def __init__(self, text: str) -> None:
        self._text = text
        masked, self._masks = _mask_flow_text(text)
        # PyYAML's types say that every event may be missing; before the end of the stream none is.
        self._next_event: Callable[[], Any] = yaml.CSafeLoader(masked).get_event
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._counted = 0
        self.version_line: int | None = None

    def documents(self) -> Iterator[Node]:
        event = self._next_event()
        while not isinstance(event, yaml.StreamEndEvent):
            start = event.start_mark
            if isinstance(event, yaml.DocumentStartEvent):
                if event.version not in (None, (1, 1)) and self.version_line is None:
                    self.version_line = start.line + 1
                yield self._root()
            event = self._next_event()

    def _root(self) -> Node:
        root = self._value(self._next_event())
        while self._open:
            event = self._next_event()
            if isinstance(event, (yaml.SequenceEndEvent, yaml.MappingEndEvent)):
                self._close()
            else:
                self._value(event)
        return root

    def _value(self, event: Any) -> Node:
        """Return the node that begins with this event, counted and attached to its parent."""
        start, end = event.start_mark, event.end_mark
        line = start.line + 1
        if isinstance(event, yaml.ScalarEvent):
            text, tag = event.value, event.tag
            if self._masks:
                text = text.translate(self._masks)
            plain = event.implicit[0] and tag is None
            if "?" in text and not event.style and self._open and self._open[-1].is_flow:
                self._check_question(start.index, end.index, line)
            scalar = ScalarNode(text, plain, None if tag == "!" else tag, line, start.index, end.index)
            if event.anchor is not None:
                self._anchors[event.anchor] = scalar
            self._count(1 + len(text) // _TEXT_WEIGHT, line)
            self._attach(scalar, line)
            return scalar
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), line)
        node: MappingNode | SequenceNode
        if isinstance(event, yaml.MappingStartEvent):
            node = MappingNode([], line, event.tag, start.index)
        else:
            node = SequenceNode([], line, event.tag, start.index)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._count(1, line)
        self._attach(node, line)
        self._check_depth(node, line)
        self._open.append(_Open(node, self._counted - 1, bool(event.flow_style)))
        return node

    def _check_question(self, start: int, end: int, line: int) -> None:
        """Raise YamlError for a plain text in flow style that Talos ends at a question mark."""
        if _QUESTION.search(self._text, start, end + 1):
            raise YamlError("not valid YAML: a text with ? and a blank needs quotes inside [ ] and { }", line)

    def _alias(self, anchor: str, line: int) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise YamlError(f"*{anchor} has no anchor: write &{anchor} on the value it repeats, above this line", line)
        if any(node is outer.node for outer in self._open):
            raise YamlError(f"*{anchor} is inside the value it repeats: write the value out", line)
        self._count(1 + len(node.text) // _TEXT_WEIGHT if isinstance(node, ScalarNode) else node.weight, line)
        self._attach(node, line)
        if not isinstance(node, ScalarNode):
            self._check_depth(node, line)
            self._raise_height(node)
        return node

    def _close(self) -> None:
        done = self._open.pop()
        done.node.weight = self._counted - done.counted
        self._raise_height(done.node)

    def _raise_height(self, inner: SequenceNode | MappingNode) -> None:
        if self._open:
            outer = self._open[-1].node
            outer.height = max(outer.height, inner.height + 1)

    def _check_depth(self, node: SequenceNode | MappingNode, line: int) -> None:
        if len(self._open) + node.height > MAX_DEPTH:
            raise YamlError(f"nested deeper than {MAX_DEPTH} levels: make it flatter", line, is_too_large=True)

    def _count(self, weight: int, line: int) -> None:
        self._counted += weight
        if self._counted > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values, counting what aliases repeat: split the file or write less"
            raise YamlError(message, line, is_too_large=True)

    def _attach(self, node: Node, line: int) -> None:
        if not self._open:
            return
        parent = self._open[-1]
        if isinstance(parent.node, SequenceNode):
            parent.node.items.append(node)
        elif parent.key is not None:
            parent.node.pairs.append((parent.key, node))
            parent.key = None
        elif not isinstance(node, ScalarNode):
            raise YamlError("a list or a mapping cannot be a key: write a text", line)
        elif node.text in parent.keys:
            message = f"the key {node.text!r} is repeated (first on line {parent.keys[node.text]}): keep one of them"
            raise YamlError(message, line)
        else:
            parent.keys[node.text] = line
            parent.key = node
