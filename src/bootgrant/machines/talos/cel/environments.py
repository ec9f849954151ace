"""What an expression can name in each release of Talos: variables, functions, macros, messages and constants.

``releases/*.json`` are made by ``make talos-tables``, which asks the releases themselves. Types are written as in
``types.parse_type``. A release has ``functions``, ``macros`` and ``types`` for all environments, ``messages`` and
``constants`` by the file that declares them, and ``environments`` with what each one adds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

from bootgrant.machines.talos.cel.types import INT, Type, parse_type, type_named

NEWEST: Final = "1.14"

_COMPARISONS: Final = frozenset({"_<_", "_<=_", "_>_", "_>=_"})
_NUMBERS: Final = frozenset({"int", "uint", "double"})


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature of a function. ``variables`` are the names of its type variables."""

    is_method: bool
    arguments: tuple[Type, ...]
    result: Type
    variables: tuple[str, ...]
    is_mixed: bool
    """Compares numbers of two types; these are switched off, except where cel-go forgets it (see the checker)."""


@dataclass(frozen=True)
class Environment:
    """``names`` are variables, constants and types; ``functions`` have their signatures in the order of cel-go."""

    names: Mapping[str, Type]
    functions: Mapping[str, Sequence[Overload]]
    macros: frozenset[str]
    messages: Mapping[str, Mapping[str, Type]]
    optional_syntax: bool
    escaped_names: bool
    dot_skips_locals: bool
    """``.x`` is never the variable of a macro (since cel-go 0.27)."""


@cache
def environment(name: str, release: str = NEWEST) -> Environment:
    """Return an environment of a release. Raises LookupError if there is none of this name."""
    return read_environment(_release(release), name)


def read_environment(tables: Mapping[str, Any], name: str) -> Environment:
    """Return an environment from the content of such a file. Raises LookupError if it has none of this name."""
    own = tables["environments"].get(name)
    if own is None:
        raise LookupError(f"this release of Talos has no expressions of the kind {name!r}")
    messages = {
        message: {field: parse_type(text) for field, text in fields.items()}
        for message, fields in _of_files(tables["messages"], own["files"])
    }
    constants = (
        f"{enumeration}.{value}"
        for enumeration, values in _of_files(tables["constants"], own["files"])
        for value in values
    )
    names = {message: Type("type", parameters=(type_named(message),)) for message in messages}
    names |= dict.fromkeys(constants, INT)
    names |= {name: parse_type(text) for name, text in (tables["types"] | own["names"]).items()}
    return Environment(
        names=names,
        functions={name: _overloads(name, found) for name, found in _merged(tables["functions"], own["functions"])},
        macros=frozenset(tables["macros"] + own["macros"]),
        messages=messages,
        optional_syntax=own["optional_syntax"],
        escaped_names=tables["escaped_names"],
        dot_skips_locals=tables["dot_skips_locals"],
    )


@cache
def _release(name: str) -> dict[str, Any]:
    file = files(__package__).joinpath("releases", f"{name}.json")
    if not file.is_file():
        raise LookupError(f"the expressions of Talos {name} are not known")
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _of_files(tables: dict[str, dict[str, Any]], names: list[str]) -> Iterable[tuple[str, Any]]:
    for name in names:
        yield from tables.get(name, {}).items()


def _merged(standard: dict[str, list[Any]], own: dict[str, list[Any]]) -> Iterable[tuple[str, list[Any]]]:
    for name in standard | own:
        yield name, standard.get(name, []) + own.get(name, [])


def _overloads(function: str, found: list[Any]) -> tuple[Overload, ...]:
    return tuple(_overload(function, *signature) for signature in found)


def _overload(function: str, is_method: bool, arguments: list[str], result: str) -> Overload:
    types = tuple(map(parse_type, arguments))
    returned = parse_type(result)
    kinds = [type_.kind for type_ in types]
    return Overload(
        is_method=is_method,
        arguments=types,
        result=returned,
        variables=tuple(sorted(_variables((*types, returned)))),
        is_mixed=function in _COMPARISONS and kinds[0] != kinds[1] and set(kinds) <= _NUMBERS,
    )


def _variables(types: Iterable[Type]) -> set[str]:
    found: set[str] = set()
    for type_ in types:
        found |= {type_.name} if type_.kind == "variable" else _variables(type_.parameters)
    return found
