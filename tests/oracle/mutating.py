"""Change configurations that Talos takes in one or two places, as people get them wrong."""

from __future__ import annotations

import copy
from typing import Any

from oracle.generating import Generator

Value = Any


def mutated(documents: list[dict[str, Any]], generator: Generator) -> list[dict[str, Any]]:
    """Return a copy with one or two fields that are added, replaced, removed, or misspelt."""
    changed = copy.deepcopy(documents)
    for _ in range(generator.choose.choice((1, 1, 2))):
        _change(generator.choose.choice(changed), generator)
    return changed


def _change(document: dict[str, Any], generator: Generator) -> None:
    kind = document.get("kind")
    root = f"{document.get('apiVersion')}/{kind}" if kind else "/v1alpha1"
    if root not in generator.schema["roots"]:
        return
    places = list(_places(document, generator.schema["roots"][root], generator))
    value, type_name = generator.choose.choice(places)
    match generator.choose.choice(("add", "add", "replace", "replace", "remove", "misspell")):
        case "add":
            value |= generator.struct(type_name, 1.5)
        case "replace" if value:
            known = {name: below for name, below, _ in generator.fields(type_name)}
            name = generator.choose.choice(list(value))
            value[name] = generator.value(known.get(name, "string"), 2)
        case "remove" if value:
            del value[generator.choose.choice(list(value))]
        case _ if value:
            name = generator.choose.choice(list(value))
            value[f"{name}s"] = value.pop(name)


def _places(value: Value, type_name: str, generator: Generator) -> list[tuple[dict[str, Any], str]]:
    """Return every mapping with the struct that it is."""
    found = [(value, type_name)] if isinstance(value, dict) else []
    for name, below, _ in generator.fields(type_name) if found else ():
        target = below.replace("*", "").removeprefix("[]")
        if not generator.is_struct(target):
            continue
        inner = value.get(name)
        for item in inner if isinstance(inner, list) else [inner]:
            found += _places(item, target, generator)
    return found
