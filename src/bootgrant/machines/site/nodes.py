"""Reading the values of ``machines.yaml``: what is wrong in a value is raised where it is found, with its line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, SequenceNode, is_null

PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
"""A label of the entry in the name of a layer, or in an argument of a program."""


class Wrong(Exception):
    """A value that cannot be used. Caught where the file is known."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


def filled_in(text: str, filled: Mapping[str, str], line: int) -> str:
    def put(found: re.Match[str]) -> str:
        if found[1] not in filled:
            raise Wrong(f"{text!r} needs the label {found[1]!r}, which this entry does not have: add it", line)
        return filled[found[1]]

    return PLACEHOLDER.sub(put, text)


def pairs(node: Node | None, message: str) -> list[tuple[ScalarNode, Node]]:
    if node is None or is_null(node):
        return []
    if not isinstance(node, MappingNode):
        raise Wrong(message, node.line)
    return node.pairs


def texts(node: Node | None, message: str) -> list[tuple[str, int]]:
    if node is None:
        return []
    if not isinstance(node, SequenceNode) or not all(isinstance(item, ScalarNode) and item.text for item in node.items):
        raise Wrong(message, node.line)
    return [(item.text, item.line) for item in node.items if isinstance(item, ScalarNode)]
