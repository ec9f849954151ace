"""What one YAML scalar is to Talos: a value by its tag and quotes, the text that a Go string gets, and the raw text.

go-yaml reads numbers and booleans into a string as they are written; a type that parses texts itself also gets dates.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from bootgrant.machines.talos import go_values
from bootgrant.machines.yaml.reading import Node, ScalarNode
from bootgrant.machines.yaml.scalars import PlainValue, Timestamp, plain_value

_TAG: Final = "tag:yaml.org,2002:"


def scalar_value(node: ScalarNode) -> PlainValue:
    """Return what a scalar is to go-yaml, by its tag and quotes. Raises ValueError if the text does not fit the tag."""
    if node.plain:
        return plain_value(node.text)
    match node.tag:
        case None:
            return node.text
        case "tag:yaml.org,2002:binary":
            return _binary_text(node.text)
        case "tag:yaml.org,2002:null":
            return _tagged_value(node.text, node.tag)
        case "tag:yaml.org,2002:bool" | "tag:yaml.org,2002:int" | "tag:yaml.org,2002:float":
            return _tagged_value(node.text, node.tag)
        case "tag:yaml.org,2002:timestamp":
            return _tagged_value(node.text, node.tag)
        case _:
            return node.text


def _binary_text(text: str) -> str:
    try:
        return go_values.base64_bytes(text).decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("this !!binary is not a text in UTF-8: configurations contain texts only") from None


def _tagged_value(text: str, tag: str) -> PlainValue:
    value = plain_value(text)
    if tag == f"{_TAG}float" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted: dict[str, type] = {f"{_TAG}bool": bool, f"{_TAG}int": int, f"{_TAG}float": float}
    wanted |= {f"{_TAG}null": type(None), f"{_TAG}timestamp": Timestamp}
    if type(value) is not wanted[tag]:
        raise ValueError(f"the value does not fit its tag !!{tag.removeprefix(_TAG)}")
    return value


def text_of(node: ScalarNode) -> str:
    """Return what Go reads into a string: numbers and booleans as they are written. Raises ValueError for dates."""
    if not node.plain and not node.tag:
        return node.text
    match scalar_value(node):
        case Timestamp():
            raise ValueError(f"Talos reads {node.text} as a date: write it in quotes")
        case str() as text:
            return text
        case _:
            return node.text


def raw_text(node: ScalarNode) -> str:
    """Return what Go gives to a type that parses texts itself (``encoding.TextUnmarshaler``), dates included."""
    value = scalar_value(node)
    return value if isinstance(value, str) else node.text


def dated_text(node: ScalarNode) -> ScalarNode:
    """Return a date as the text that it is written as, other scalars unchanged. Raises ValueError as scalar_value."""
    if (node.plain or node.tag) and isinstance(scalar_value(node), Timestamp):
        return replace(node, plain=False, tag=f"{_TAG}str")
    return node


def cut_off(node: Node) -> Node:
    """Return a number without its fraction, other nodes unchanged."""
    if not isinstance(node, ScalarNode) or not (node.plain or node.tag == f"{_TAG}float"):
        return node
    value = plain_value(node.text)
    if isinstance(value, float) and math.isfinite(value) and not value.is_integer():
        return replace(node, text=str(int(value)), plain=True, tag=None)
    return node
