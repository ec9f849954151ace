"""The syntax tree of an expression, with the macros not yet expanded."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, TypeAlias, TypeVar

Result = TypeVar("Result")
Step: TypeAlias = Generator["Step[Any]", Any, Result]
"""A function that yields the calls it needs and gets their results, so that deep nesting needs no deep stack."""

CONDITIONAL: Final = "_?_:_"
AND: Final = "_&&_"
OR: Final = "_||_"


def run(first: Step[Result]) -> Result:
    """Return the result of a step and of all steps that it yields."""
    stack: list[Step[Any]] = [first]
    value: Any = None
    while True:
        try:
            called = stack[-1].send(value)
        except StopIteration as end:
            stack.pop()
            value = end.value
            if not stack:
                result: Result = value
                return result
        else:
            stack.append(called)
            value = None


class Access(Enum):
    """How a field is selected: ``a.b``, ``a.?b``, or ``has(a.b)``."""

    VALUE = "value"
    OPTIONAL = "optional"
    PRESENCE = "presence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """``at`` is the offset in the expression, ``depth`` counts nested operators, selections and calls."""

    at: int
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Literal(Node):
    """A literal; only the name of its type matters."""

    type_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Name(Node):
    """A variable, constant or type; it may begin with a dot, which skips the variables of macros."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Select(Node):
    """A field of a message or a key of a map."""

    operand: Node
    field: str
    access: Access = Access.VALUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Node):
    """A function or operator, with ``target`` if it is called as a method. ``&&`` and ``||`` take two or more."""

    function: str
    arguments: tuple[Node, ...]
    target: Node | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro(Node):
    """``target.name(variable, bodies…)``."""

    name: str
    target: Node
    variable: Name
    bodies: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """An element, a field, or a key with its value; ``is_optional`` if it has a ``?``."""

    key: Node | str | None
    value: Node
    is_optional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLiteral(Node):
    """``[a, ?b]``; entries without a key."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapLiteral(Node):
    """``{a: b}``; the keys are nodes."""

    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLiteral(Node):
    """``package.Message{field: value}``; the keys are texts."""

    name: str
    entries: tuple[Entry, ...]


def qualified_name(node: Node) -> str | None:
    """Return ``a.b.c`` for a name with plain selections, None for any other node."""
    fields = []
    while isinstance(node, Select) and node.access is Access.VALUE:
        fields.append(node.field)
        node = node.operand
    if not isinstance(node, Name):
        return None
    return ".".join([node.name, *reversed(fields)])
