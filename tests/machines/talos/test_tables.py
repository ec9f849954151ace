"""The tables of a Talos version are consistent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files

import pytest

from bootgrant.machines.site.model import TALOS_RELEASES
from bootgrant.machines.talos.container_types import ListOf, MapOf, Pointer, Struct
from bootgrant.machines.talos.scalar_types import Bytes, GoType
from bootgrant.machines.talos.tables import NEWEST, RELEASES, Kind, talos_tables
from bootgrant.machines.yaml.writing import write_documents
from support.go_yaml_form import compared

KINDS = [
    pytest.param(release, kind, id=f"{release}-{kind.name}")
    for release in RELEASES
    for kind in talos_tables(release).kinds.values()
]


def _always(release: str, kind: Kind) -> dict[str, str]:
    """The fields that Talos itself always writes, by path, with the text that it writes."""
    rules = json.loads((files("bootgrant.machines.talos") / f"versions/{release}/rules.json").read_text("utf-8"))
    always: dict[str, str] = rules["kinds"][f"{kind.api_version}/{kind.name}".removeprefix("/")].get("always", {})
    return always


def _always_written(type_: GoType, path: str) -> Iterator[tuple[str, bytes]]:
    match type_:
        case Pointer():
            yield from _always_written(type_.target, path)
        case ListOf():
            yield from _always_written(type_.element, f"{path}[]")
        case MapOf():
            yield from _always_written(type_.element, path + "{}")
        case Struct():
            for field in type_.fields.values():
                below = f"{path}.{field.name}" if path else field.name
                # The list of the tables treats certificates as scalars, and leaves out the kind.
                if not field.omitted and below != "kind" and not isinstance(field.type, Bytes):
                    yield below, write_documents([field.type.written(field.type.zero())])
                yield from _always_written(field.type, below)


@pytest.mark.parametrize(("release", "kind"), KINDS)
def test_fields_that_are_always_written_follow_from_the_types(release: str, kind: Kind) -> None:
    derived = {path: compared(text) for path, text in _always_written(kind.type, "")}
    assert derived == {path: compared(text.encode()) for path, text in _always(release, kind).items()}


@pytest.mark.parametrize(("release", "kind"), KINDS)
def test_every_rule_is_for_a_field_that_exists(release: str, kind: Kind) -> None:
    for path in kind.rules:
        type_: GoType = kind.type
        for step in path.replace("[]", ".[]").replace("{}", ".{}").split("."):
            while isinstance(type_, Pointer):
                type_ = type_.target
            if isinstance(type_, Struct):
                type_ = type_.fields[step].type
            else:
                assert isinstance(type_, (ListOf, MapOf)), path
                type_ = type_.element


@pytest.mark.parametrize("release", RELEASES)
def test_conflicts_between_kinds_are_mutual(release: str) -> None:
    kinds = {kind.name: kind for kind in talos_tables(release).kinds.values()}
    for kind in kinds.values():
        assert all(kind.name in kinds[other].conflicts_with for other in kind.conflicts_with)


def test_entries_can_name_every_release_that_has_tables() -> None:
    assert TALOS_RELEASES == RELEASES
    assert NEWEST == "1.14"


def test_later_releases_have_more_kinds() -> None:
    assert [len(talos_tables(release).kinds) for release in RELEASES] == [18, 37, 45, 90]
