"""Values as plain data: what the server and its worker process say to each other is JSON, so that it cannot run code.

Only the types of this program's own dataclasses are made from it, whatever the other side sends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from bootgrant.machines.site.findings import Finding, SiteBroken
from bootgrant.machines.yaml.scalars import CoreValue

T = TypeVar("T")
_SIMPLE = (bool, int, float, str, NoneType)
_known: dict[Any, Mapping[str, Any]] = {}


class NotPlain(ValueError):
    """Data that does not have the form of the wanted type."""


def as_plain(value: object) -> Any:
    """Return a value as JSON has it: dataclasses are mappings, tuples and sets are lists."""
    match value:
        case SiteBroken():
            return [as_plain(finding) for finding in value.findings]
        case Enum():
            return value.value
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): as_plain(inner) for key, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [as_plain(inner) for inner in value]
        case _ if is_dataclass(value):
            return {name: as_plain(getattr(value, name)) for name in _hints(type(value))}
    raise NotPlain(f"{type(value).__name__} is not plain data")


def from_plain(kind: type[T], plain: object) -> T:
    """Return the value of a type that ``as_plain`` described. Raises NotPlain."""
    made: T = _made(kind, plain)
    return made


def _made(kind: Any, plain: object) -> Any:
    if kind in _SIMPLE:
        return _simple(kind, plain)
    origin = get_origin(kind)
    if origin in (Union, UnionType):
        kinds = get_args(kind)
        if plain is None and NoneType in kinds:
            return None
        return _made(next(each for each in kinds if each is not NoneType), plain)
    if origin is tuple:
        return tuple(_made(get_args(kind)[0], inner) for inner in _list(plain))
    if origin in (list, Sequence):
        return [_made(get_args(kind)[0], inner) for inner in _list(plain)]
    if origin in (dict, Mapping):
        return {key: _made(get_args(kind)[1], inner) for key, inner in _mapping(plain).items()}
    if isinstance(kind, type):
        return _object(kind, plain)
    raise NotPlain(f"{kind} cannot be made from plain data")


def _object(kind: type, plain: object) -> Any:
    if issubclass(kind, SiteBroken):
        findings = [from_plain(Finding, inner) for inner in _list(plain)]
        if not findings:
            raise NotPlain("an error without findings")
        return kind(findings)
    if issubclass(kind, Enum):
        try:
            return kind(plain)
        except ValueError as wrong:
            raise NotPlain(str(wrong)) from None
    given, hints = _mapping(plain), _hints(kind)
    if given.keys() != hints.keys():
        raise NotPlain(f"{kind.__name__} has other fields")
    return kind(**{name: _made(hint, given[name]) for name, hint in hints.items()})


def _simple(kind: type, plain: object) -> object:
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        return float(plain)
    if type(plain) is not kind:
        raise NotPlain(f"{type(plain).__name__} instead of {kind.__name__}")
    return plain


def _list(plain: object) -> list[Any]:
    if not isinstance(plain, list):
        raise NotPlain("not a list")
    return plain


def _mapping(plain: object) -> dict[str, Any]:
    if not isinstance(plain, dict):
        raise NotPlain("not a mapping")
    return plain


def _hints(kind: Any) -> Mapping[str, Any]:
    """The fields that a dataclass is made of, with their types."""
    found = _known.get(kind)
    if found is None:
        if not is_dataclass(kind):
            raise NotPlain(f"{kind.__name__} is not plain data")
        # CoreValue names itself, so it has to be known by its name wherever it is used.
        hints = get_type_hints(kind, localns={"CoreValue": CoreValue})
        found = _known[kind] = {each.name: hints[each.name] for each in fields(kind) if each.init}
    return found
