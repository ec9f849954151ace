"""Which values of a configuration people may read, by the place where they are.

In Talos documents, the class of the field decides (talos/field_classes.py), and what is in no list is hidden. In other
configurations, the values below names for contents and commands (``write_files[].content``, ``runcmd``) are hidden.
Names and keys are shown everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

from bootgrant.machines.finish.secret_looks import has_known_token
from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.field_classes import FieldClass, placed_in
from bootgrant.machines.talos.tables import TalosTables
from bootgrant.machines.yaml.reading import MappingNode, Node, ParsedYaml, ScalarNode, SequenceNode, is_null

_RANK: Final = {holds: rank for rank, holds in enumerate(FieldClass)}
_BOOLEANS: Final = frozenset({"true", "false", "yes", "no", "on", "off"})
_USERINFO: Final = re.compile(r"(?:(?<=://)|^)[^/?#\s]*@")
_QUERY: Final = re.compile(r"(?<=[?#])\S.*", re.DOTALL)
_WORD: Final = re.compile(r"-?[A-Za-z0-9_.-]{1,32}")
_FLAG: Final = re.compile(r"--[a-z][a-z0-9-]{0,39}|-[A-Za-z]")
_NAME: Final = re.compile(r"-{0,2}[A-Za-z][\w.\[\]/-]{0,79}")
_CONTENTS: Final = frozenset(
    {
        "content", "contents", "inline", "runcmd", "bootcmd", "cmd", "command", "commands", "args", "script", "scripts",
        "env", "environment", "envs", "variables", "data", "stringdata", "binarydata", "userdata", "vendordata",
        "headers", "httpheaders", "manifest", "manifests", "chpasswd", "pillar",
    }
)  # fmt: skip
"""Names in other configurations whose values a site writes freely, in lower-case letters."""
_ARGUMENTS: Final = frozenset({"kernelarguments", "kernelargs", "shouldexist", "shouldnotexist"})


def classes_of(parsed: ParsedYaml, schema: Schema, tables: TalosTables) -> Mapping[int, FieldClass]:
    """Return what each scalar holds, by where it starts. One that aliases repeat holds the most secret of all."""
    found: dict[int, FieldClass] = {}

    def put(scalar: ScalarNode, holds: FieldClass) -> None:
        before = found.get(scalar.start, FieldClass.SHOWN)
        found[scalar.start] = max(before, holds, key=_RANK.__getitem__)

    if schema is Schema.TALOS:
        for placed in placed_in(parsed.documents, tables):
            if not placed.is_key:
                put(placed.scalar, placed.holds)
    else:
        for root in parsed.documents:
            _by_name(root, FieldClass.SHOWN, put)
    return found


def _by_name(node: Node, holds: FieldClass, put: Callable[[ScalarNode, FieldClass], None]) -> None:
    match node:
        case ScalarNode():
            put(node, holds)
        case SequenceNode():
            for item in node.items:
                _by_name(item, holds, put)
        case MappingNode():
            for key, value in node.pairs:
                _by_name(value, max(holds, _class_by_name(key.text, value), key=_RANK.__getitem__), put)


def _class_by_name(name: str, value: Node) -> FieldClass:
    folded = re.sub(r"[^a-z]", "", name.lower())
    if folded in _ARGUMENTS:
        return FieldClass.ASSIGNMENTS
    if folded == "source":
        return FieldClass.URL
    # Ignition has the place of a file's content in a mapping: {source: https://…, verification: …}.
    if folded == "contents" and isinstance(value, MappingNode):
        return FieldClass.SHOWN
    return FieldClass.TEXT if folded in _CONTENTS or folded.endswith("commands") else FieldClass.SHOWN


def readable_part(scalar: ScalarNode, holds: FieldClass, label: Callable[[str], str]) -> str | None:
    """Return what people may read of a value, with ``label(hidden)`` for the rest; None if they may read all of it."""
    text = scalar.text
    if not text or (scalar.plain and is_null(scalar)):
        return None
    match holds:
        case FieldClass.SHOWN:
            return None
        case FieldClass.URL:
            shown = _USERINFO.sub(lambda found: f"{label(found[0])}@", text)
            shown = _QUERY.sub(lambda found: label(found[0]), shown)
        case FieldClass.ASSIGNMENTS:
            shown = _named(text, _WORD, label)
        case FieldClass.ARGUMENTS:
            shown = _named(text, _FLAG, label)
        case FieldClass.YAML if scalar.plain and text.lower() in _BOOLEANS:
            return None
        case _:
            return label(text)
    return None if shown == text else shown


def _named(text: str, word: re.Pattern[str], label: Callable[[str], str]) -> str:
    """Return the name of ``NAME=value``, or a word that may stand without a value."""
    name, equals, value = text.partition("=")
    if not equals:
        return text if word.fullmatch(text) and not has_known_token(text) else label(text)
    if not _NAME.fullmatch(name) or has_known_token(name):
        return label(text)
    return f"{name}={label(value) if value else ''}"
