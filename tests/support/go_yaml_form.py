"""The form in which two configurations are compared: what go-yaml v4 reads, without the order of keys.

It stands apart from the code that it judges: PyYAML's own composer, and scalars by the facts about go-yaml.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_INTEGER = re.compile(
    r"([-+]?)(?:0x(?P<x>[0-9a-f]+)|0b(?P<b>[01]+)|0o?(?P<o>[0-7]+)|(?P<d>0|[1-9][0-9]*))", re.IGNORECASE
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*[0-9Z])?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("true", "True", "TRUE"), ("bool", True)),
    **dict.fromkeys(("false", "False", "FALSE"), ("bool", False)),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), ("null",)),
}


def compared(text: bytes) -> list[Any]:
    """The documents of ``text`` that are not null."""
    forms = [_form(node) for node in yaml.compose_all(text, Loader=yaml.BaseLoader)]
    return [form for form in forms if form != ("null",)]


def _form(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(_form(key)): _form(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_form(item) for item in node.value]
    assert isinstance(node, yaml.ScalarNode)
    return _plain(node.value) if node.style is None and node.tag == "tag:yaml.org,2002:str" else ("text", node.value)


def _plain(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return "text", text
    if _DATE.fullmatch(text):
        return "date", text
    digits = text if text[0] == "." else text.replace("_", "")
    if match := _INTEGER.fullmatch(digits):
        number = next(
            int(match[name], base) for name, base in (("x", 16), ("b", 2), ("o", 8), ("d", 10)) if match[name]
        )
        number = -number if match[1] == "-" else number
        if -(2**63) <= number < 2**64:
            return "number", number
    if _FLOAT.fullmatch(digits):
        value = float(digits)
        return "number", int(value) if value.is_integer() and abs(value) < 1e15 else value
    return "text", text
