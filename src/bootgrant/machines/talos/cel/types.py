"""The types of CEL, and which of them go with each other, as cel-go has it (``checker/types.go``)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from bootgrant.machines.talos.cel.errors import CelUnchecked

LARGEST_TYPE: Final = 50
"""How many parts a type may have, such as 3 in ``map(string, int)``; types of real expressions have up to 10."""

_NOTATION: Final = re.compile(r"<?([A-Za-z_][A-Za-z0-9_.]*)>?|[(),]")
_KINDS: Final = {"google.protobuf.Any": "any", "google.protobuf.Duration": "duration",
                 "google.protobuf.Timestamp": "timestamp", "null_type": "null", "list": "list", "map": "map",
                 "type": "type", "optional_type": "optional", "dyn": "dyn"}  # fmt: skip
_SCALARS: Final = frozenset({"bool", "bytes", "double", "int", "string", "uint"})
_NULLABLE: Final = frozenset({"optional", "message", "any", "duration", "timestamp", "null"})
"""The kinds of types that null goes with, besides the wrappers of scalars."""


@dataclass(frozen=True, slots=True)
class Type:
    """A type. Its ``kind`` is the name of a scalar, ``list``, ``map``, ``optional``, ``type``, ``message``, ``dyn``,
    ``any``, ``null``, ``duration``, ``timestamp``, or ``variable`` for a type that is not known yet.

    ``name`` is that of a message or variable, ``nullable`` marks the wrapper of a scalar, which null goes with.
    """

    kind: str
    name: str = ""
    parameters: tuple[Type, ...] = ()
    nullable: bool = field(default=False, compare=False)
    size: int = field(init=False, compare=False)
    is_generic: bool = field(init=False, compare=False)

    def __post_init__(self) -> None:
        size = 1 + sum(part.size for part in self.parameters)
        if size > LARGEST_TYPE:
            raise CelUnchecked("the types of the expression are too large to be checked")
        object.__setattr__(self, "size", size)
        generic = self.kind == "variable" or any(part.is_generic for part in self.parameters)
        object.__setattr__(self, "is_generic", generic)

    def __str__(self) -> str:
        if self.kind in {"message", "variable"}:
            return self.name
        name = {"null": "null_type", "optional": "optional_type"}.get(self.kind, self.kind)
        return f"{name}({', '.join(map(str, self.parameters))})" if self.parameters else name

    @property
    def is_dynamic(self) -> bool:
        return self.kind in {"dyn", "any"}


DYN: Final = Type("dyn")
BOOL: Final = Type("bool")
INT: Final = Type("int")
STRING: Final = Type("string")


def list_of(element: Type) -> Type:
    return Type("list", parameters=(element,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", parameters=(key, value))


def optional_of(value: Type) -> Type:
    return Type("optional", parameters=(value,))


def type_named(name: str) -> Type:
    """Return the type without parameters of this name, a message if CEL has none."""
    kind = name if name in _SCALARS else _KINDS.get(name, "message")
    return Type(kind, name if kind == "message" else "")


@cache
def parse_type(text: str) -> Type:
    """Return the type of a notation such as ``map(string, <A>)``; ``<A>`` is a variable."""
    parts = list(_NOTATION.finditer(text))
    found, _ = _parse_type(parts, 0)
    return found


def _parse_type(parts: Sequence[re.Match[str]], at: int) -> tuple[Type, int]:
    name = parts[at][1]
    parameters = []
    if at + 1 < len(parts) and parts[at + 1][0] == "(":
        at += 1
        while parts[at][0] != ")":
            parameter, at = _parse_type(parts, at + 1)
            parameters.append(parameter)
            at += 1
    if parts[at][0].startswith("<"):
        return Type("variable", name), at
    if name == "wrapper":
        return Type(parameters[0].kind, nullable=True), at
    plain = type_named(name)
    return Type(plain.kind, plain.name, tuple(parameters)), at


def is_as_general(one: Type, other: Type) -> bool:
    """``isEqualOrLessSpecific``: whether one type is the other one, or that with unknown or dynamic parts."""
    if one.is_dynamic or one.kind == "variable":
        return True
    if other.is_dynamic or other.kind == "variable" or one.kind != other.kind:
        return False
    if one.kind in {"list", "map", "optional"}:
        return len(one.parameters) == len(other.parameters) and all(
            map(is_as_general, one.parameters, other.parameters)
        )
    return one.kind == "type" or one == other


def most_general(one: Type, other: Type) -> Type:
    """Return the more general one of two types that go with each other."""
    return one if is_as_general(one, other) else other


class Substitution:
    """What is known of the type variables of an expression."""

    def __init__(self) -> None:
        self._bound: dict[str, Type] = {}
        self._undo: list[tuple[str, Type | None]] = []
        self._count = 0

    def fresh(self) -> Type:
        """Return a new variable."""
        self._count += 1
        return Type("variable", f"_{self._count}")

    def apply(self, type_: Type, *, unknown_is_dynamic: bool = False) -> Type:
        """Return the type with what is known in place of its variables."""
        if not type_.is_generic:
            return type_
        if type_.kind == "variable":
            known = self._bound.get(type_.name)
            if known is not None:
                return self.apply(known, unknown_is_dynamic=unknown_is_dynamic)
            return DYN if unknown_is_dynamic else type_
        parts = tuple(self.apply(part, unknown_is_dynamic=unknown_is_dynamic) for part in type_.parameters)
        return Type(type_.kind, type_.name, parts)

    def assignable(self, ones: Iterable[Type], others: Iterable[Type]) -> bool:
        """Whether each type goes with its counterpart. Variables are bound to make it so, if it can be done."""
        self._undo.clear()
        if all(map(self._is_assignable, ones, others)):
            return True
        for name, before in reversed(self._undo):
            if before is None:
                del self._bound[name]
            else:
                self._bound[name] = before
        return False

    def _is_assignable(self, one: Type, other: Type) -> bool:
        """``internalIsAssignable``."""
        if other.kind == "variable":
            valid, is_bound = self._substitutes(one, other)
            if valid or is_bound:
                return valid
        if one.kind == "variable":
            return self._substitutes(other, one)[0]
        if one.is_dynamic or other.is_dynamic:
            return True
        if one.kind == "null" or other.kind == "null":
            partner = other if one.kind == "null" else one
            return partner.nullable or partner.kind in _NULLABLE
        if one.kind != other.kind or one.name != other.name:
            return False
        if one.kind == "type":
            return True
        return len(one.parameters) == len(other.parameters) and all(
            map(self._is_assignable, one.parameters, other.parameters)
        )

    def _substitutes(self, type_: Type, variable: Type) -> tuple[bool, bool]:
        """``isValidTypeSubstitution``: whether the variable can be the type, and whether it is bound already."""
        if type_ == variable:
            return True, True
        known = self._bound.get(variable.name)
        if known is None:
            if self._occurs(variable, type_):
                return False, False
            self._bind(variable.name, type_)
            return True, False
        if type_ == known:
            return True, True
        if not self._is_assignable(type_, known):
            return False, True
        general = most_general(type_, known)
        if not self._occurs(variable, general):
            self._bind(variable.name, general)
        return True, True

    def _bind(self, name: str, type_: Type) -> None:
        self._undo.append((name, self._bound.get(name)))
        self._bound[name] = type_

    def _occurs(self, variable: Type, type_: Type) -> bool:
        if not type_.is_generic:
            return False
        if type_ == variable:
            return True
        if type_.kind == "variable":
            known = self._bound.get(type_.name)
            return known is not None and self._occurs(variable, known)
        return any(self._occurs(variable, part) for part in type_.parameters)


def instance(types: Iterable[Type], fresh: dict[str, Type]) -> list[Type]:
    """Return types of a declaration with these variables in place of its own."""
    return [_instance(type_, fresh) for type_ in types]


def _instance(type_: Type, fresh: dict[str, Type]) -> Type:
    if not type_.is_generic:
        return type_
    if type_.kind == "variable":
        return fresh[type_.name]
    return Type(type_.kind, type_.name, tuple(instance(type_.parameters, fresh)))
