"""What the fields of Talos's configuration hold: what people may read, free text of a site, secrets, keys of a cluster.

``fields.json`` has a class for each field, by the name of its type in Go, one table for all versions: a field that a
version does not have simply does not occur. Classes of types without free text (numbers, sizes, enumerations) follow
from the type. A field that is in no list is hidden.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final, NamedTuple

from bootgrant.machines.talos.container_types import Argument, Field, Free, ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.scalar_types import Bytes, GoType, Text, Url
from bootgrant.machines.talos.tables import LEGACY, TalosTables
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode


class FieldClass(StrEnum):
    """What a field holds, and with it how much of a value people see; later members show less.

    ``SHOWN``: names, addresses, sizes, enumerations, images, numbers, labels. ``URL``: all but userinfo and query.
    ``ASSIGNMENTS``: ``NAME=value``, of which only the name is shown. ``ARGUMENTS``: the same for command lines, where
    a word without ``=`` may be a value. ``YAML``: free YAML, of which keys, booleans and nulls are shown. ``TEXT``:
    free text of a site. ``HIDDEN``: not a secret, but nobody's business. ``SECRET``: a secret that every machine of a
    cluster has. ``OWN``: a secret of one machine, such as its private key for WireGuard. ``PRECIOUS``: a private key
    or secret of a cluster, which only control planes need.
    """

    SHOWN = "shown"
    URL = "url"
    ASSIGNMENTS = "assignments"
    ARGUMENTS = "arguments"
    YAML = "yaml"
    TEXT = "text"
    HIDDEN = "hidden"
    SECRET = "secret"  # noqa: S105  (the name of a class)
    OWN = "own"
    PRECIOUS = "precious"


_INHERITED: Final = frozenset({FieldClass.OWN, FieldClass.PRECIOUS})
"""Classes of a pair of certificate and key that apply to the secrets in it."""
_EVERYWHERE: Final = "*"
_STEP: Final = re.compile(r"[\w./:-]{1,64}")


class Placed(NamedTuple):
    """A scalar of a configuration, where it is, and what its field holds. ``key`` is the last name in ``path``.

    ``is_key`` is true for a key of a mapping; ``path``, ``key`` and ``holds`` are then those of the mapping.
    """

    path: str
    key: str
    scalar: ScalarNode
    holds: FieldClass
    is_key: bool = False


@cache
def listed_classes() -> Mapping[str, dict[str, FieldClass]]:
    """Return the classes in ``fields.json``: by type, then by field. Fields of the type ``*`` are those of any type."""
    text = (files("bootgrant.machines.talos") / "fields.json").read_text("utf-8")
    return {
        type_name: {field: FieldClass(name) for name, fields in classes.items() for field in fields.split()}
        for type_name, classes in json.loads(text).items()
    }


@cache
def classes_in(struct: Struct) -> Mapping[str, FieldClass]:
    """Return the classes of the fields of a type. A field has none if its type is a struct, or if it is in no list."""
    listed = listed_classes()
    by_name = listed[_EVERYWHERE] | listed.get(struct.name, {})
    found = ((name, by_name.get(name) or _by_type(field.type)) for name, field in struct.fields.items())
    return {name: holds for name, holds in found if holds is not None}


def _by_type(type_: GoType) -> FieldClass | None:
    match type_:
        case Pointer(target=inner) | ListOf(element=inner) | MapOf(element=inner):
            return _by_type(inner)
        case Url():
            return FieldClass.URL
        case Argument() | Free():
            return FieldClass.YAML
        case Text() | Bytes() | Struct():
            return None
        case _:
            return FieldClass.SHOWN


def placed_in(roots: Sequence[Node], tables: TalosTables) -> Sequence[Placed]:
    """Return every key and every scalar of Talos documents, complete or patches, with what their fields hold.

    In a document that the tables do not know, only ``apiVersion``, ``kind`` and ``name`` are shown.
    """
    legacy = tables.kinds["", LEGACY]
    found: list[Placed] = []
    for root in roots:
        if isinstance(root, SequenceNode):
            _place_json_patch(root, legacy.type, found)
            continue
        known = _kind_of(root)
        kind = legacy if not any(known) else tables.kinds.get(known)
        type_ = kind.type if kind is not None else _UNKNOWN
        _place(root, type_, FieldClass.HIDDEN, known[1], "", found)
    return found


def placed_anywhere(roots: Sequence[Node]) -> Sequence[Placed]:
    """Return every key and every scalar of documents that are not Talos's, in the order of the text."""
    found: list[Placed] = []
    for root in roots:
        _place(root, None, FieldClass.TEXT, "", "", found)
    return found


_UNKNOWN: Final = Struct("", {name: Field(name, Text(), omitted=False) for name in ("apiVersion", "kind", "name")})


def _kind_of(root: Node) -> tuple[str, str]:
    """Return apiVersion and kind of a document, empty texts for the legacy one."""
    if not isinstance(root, MappingNode):
        return "", ""
    version, kind = (root.get(key) for key in ("apiVersion", "kind"))
    if not isinstance(kind, ScalarNode):
        return "", ""
    return version.text if isinstance(version, ScalarNode) else "", kind.text


def _place(node: Node, type_: GoType | None, holds: FieldClass, path: str, key: str, found: list[Placed]) -> None:
    """Append what is in a node; ``type_`` is None in free YAML and below a value that does not fit its type."""
    type_ = type_.target if isinstance(type_, Pointer) else type_
    match node:
        case ScalarNode():
            found.append(Placed(path, key, node, holds))
        case SequenceNode():
            element = type_.element if isinstance(type_, ListOf) else type_
            for index, item in enumerate(node.items):
                _place(item, element, holds, f"{path}[{index}]", key, found)
        case MappingNode():
            for name, value in node.pairs:
                step = shown_step(name.text)
                found.append(Placed(path, key, name, holds, is_key=True))
                if name.text == "<<":
                    _place(value, type_, holds, path, key, found)
                    continue
                inner, inner_holds = _below(type_, name.text, holds)
                _place(value, inner, inner_holds, f"{path}.{step}" if path else step, name.text, found)


def _below(type_: GoType | None, name: str, holds: FieldClass) -> tuple[GoType | None, FieldClass]:
    """Return type and class of the value under a key."""
    if isinstance(type_, MapOf):
        return type_.element, holds
    if not isinstance(type_, Struct):
        return None, holds
    field = type_.fields.get(name)
    if field is None:
        return None, FieldClass.HIDDEN
    found = classes_in(type_).get(name)
    if found is None:
        return field.type, holds if holds in _INHERITED else FieldClass.HIDDEN
    if found is FieldClass.SECRET and holds in _INHERITED:
        return field.type, holds
    return field.type, found


def shown_step(name: str) -> str:
    """Return a key as it may appear in a path: a key that is long or not a name may be anything."""
    return name if _STEP.fullmatch(name) else "…"


def _place_json_patch(root: SequenceNode, legacy: Struct, found: list[Placed]) -> None:
    """Append what a JSON patch (RFC 6902) writes, at the place that it writes to."""
    for operation in root.items:
        path, value = (operation.get(key) if isinstance(operation, MappingNode) else None for key in ("path", "value"))
        if not isinstance(path, ScalarNode) or value is None:
            continue
        type_: GoType | None = legacy
        holds = FieldClass.HIDDEN
        names = [part.replace("~1", "/").replace("~0", "~") for part in path.text.split("/") if part]
        for name in names:
            type_ = type_.target if isinstance(type_, Pointer) else type_
            if isinstance(type_, ListOf):
                type_ = type_.element
            else:
                type_, holds = _below(type_, name, holds)
        named = [name for name in names if name != "-" and not name.isdigit()]
        _place(value, type_, holds, ".".join(map(shown_step, names)), named[-1] if named else "", found)
