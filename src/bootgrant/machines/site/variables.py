"""The variables of an entry: values as they are written, and values that programs of the site print or make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bootgrant.machines.site.nodes import Wrong, filled_in, pairs, texts
from bootgrant.machines.yaml.reading import MappingNode, Node
from bootgrant.machines.yaml.scalars import CoreValue, core_value


@dataclass(frozen=True, slots=True)
class Command:
    """``{exec: [program, argument, …]}``: a value that a program of the site prints."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Minting:
    """``{mint: [program, argument, …], unmint: […]}``: a value that a program makes for one delivery.

    ``unmint`` takes it back; it may be empty.
    """

    mint: tuple[str, ...]
    unmint: tuple[str, ...] = ()


Variable = CoreValue | Command | Minting


def variables_of(node: Node | None) -> dict[str, Variable]:
    found: dict[str, Variable] = {}
    for key, inner in pairs(node, "variables must be a mapping, such as {address: 10.20.0.11/24}"):
        if not key.text.isidentifier():
            raise Wrong(f"the variable {key.text!r} must consist of letters, digits and underscores", key.line)
        found[key.text] = _variable(key.text, inner)
    return found


def _variable(name: str, node: Node) -> Variable:
    if not isinstance(node, MappingNode) or not any(key.text in ("exec", "mint") for key, _ in node.pairs):
        return core_value(node)
    keys = {key.text for key, _ in node.pairs}
    if keys == {"exec"}:
        return Command(_words(name, node, "exec"))
    if keys <= {"mint", "unmint"}:
        return Minting(_words(name, node, "mint"), _words(name, node, "unmint") if "unmint" in keys else ())
    form = "{exec: [program, argument, …]}" if "exec" in keys else "{mint: [program, argument, …], unmint: […]}"
    raise Wrong(f"the variable {name} must be {form} without other keys", node.line)


def _words(name: str, node: MappingNode, key: str) -> tuple[str, ...]:
    message = f"{key} of the variable {name} must be a list of a program and its arguments"
    words = tuple(text for text, _ in texts(node.get(key), message))
    if not words:
        raise Wrong(message, node.line)
    return words


def filled_variable(variable: Variable, filled: Mapping[str, str], line: int) -> Variable:
    match variable:
        case Command(words):
            return Command(_filled_words(words, filled, line))
        case Minting(mint, unmint):
            return Minting(_filled_words(mint, filled, line), _filled_words(unmint, filled, line))
        case _:
            return variable


def _filled_words(words: tuple[str, ...], filled: Mapping[str, str], line: int) -> tuple[str, ...]:
    """Fill in the placeholders of arguments; the program itself has none."""
    return (*words[:1], *(filled_in(word, filled, line) for word in words[1:]))
