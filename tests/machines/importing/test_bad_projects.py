"""A project with any value of the wrong type is imported or refused, and nothing else happens."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bootgrant.machines.importing.project import Imported, ImportRefused
from bootgrant.machines.importing.talhelper import import_talhelper
from bootgrant.machines.importing.topf import import_topf, read_project

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
OTHER: list[Any] = [5, [1], {"a": None}]
MORE: dict[str, Any] = {
    "machineFiles": [{"content": "a", "path": "/b", "op": "create"}],
    "machineSpec": {"secureboot": True},
    "extraManifests": ["a"],
    "extensionServices": [{"name": "a"}],
    "nodeAnnotations": {"a": "b"},
}


def topf(files: dict[str, bytes]) -> Imported:
    return import_topf(files, read_project(files), None)


def talhelper(files: dict[str, bytes]) -> Imported:
    return import_talhelper(files, None)


def places(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value below the root."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ()):
        yield (*above, key)
        yield from places(inner, (*above, key))


def changed(root: Any, place: tuple[Any, ...], value: Any) -> bytes:
    mutated = copy.deepcopy(root)
    parent = mutated
    for key in place[:-1]:
        parent = parent[key]
    parent[place[-1]] = value
    return yaml.dump(mutated, Dumper=yaml.CSafeDumper, encoding="utf-8")


@pytest.mark.parametrize(("make", "project"), [(topf, "topf.yaml"), (talhelper, "talconfig.yaml")])
def test_a_value_of_another_type_never_ends_in_a_fault(make: Any, project: str) -> None:
    folder = EXAMPLES / make.__name__ / "project"
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    root = yaml.safe_load(files[project])
    root["nodes"][0] |= MORE
    refused = 0
    for place in places(root):
        for value in OTHER:
            with contextlib.suppress(ImportRefused):
                make(files | {project: changed(root, place, value)})
                continue
            refused += 1
    assert refused > 10
