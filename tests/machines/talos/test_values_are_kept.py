"""A patch that changes nothing keeps every value: of generated documents with every field, and of generated bases.

``tests/vectors/bases`` has what ``talosctl gen config`` of each release writes, without comments and with dummy keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.machines.talos import tables
from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.talos.tables import LEGACY, NEWEST, Kind, talos_tables
from support.go_yaml_form import compared
from support.talos_sources import documents

_BASES = sorted((Path(__file__).resolve().parents[2] / "vectors/bases").glob("*.yaml"))
_VERSIONS = Path(tables.__file__).parent / "versions"
_FOLDERS = sorted(folder.name for folder in _VERSIONS.iterdir() if folder.is_dir())
_KINDS = [(folder, kind) for folder in _FOLDERS for kind in talos_tables(folder).kinds.values()]
_NOTHING = Part("nothing", b"machine: {}\n")


def _clears_fields(kind: Kind) -> bool:
    """Whether a patch has to repeat fields of this kind, or Talos clears them (docs/composer.md)."""
    return kind.name == LEGACY or any("always" in rule.strategy.value for rule in kind.rules.values())


def _id(value: Any) -> str:
    return value.name if isinstance(value, Kind) else str(value)


@pytest.mark.parametrize(("folder", "kind"), _KINDS, ids=_id)
@settings(max_examples=3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_every_field_of_a_kind_is_kept(folder: str, kind: Kind, data: st.DataObject) -> None:
    written, meant = data.draw(documents(kind))
    made = compared(compose([Part("base", written.encode()), _NOTHING], folder).config)
    assert (made if kind.name == LEGACY else made[1:]) == compared(meant.encode())


@pytest.mark.parametrize(("folder", "kind"), [case for case in _KINDS if not _clears_fields(case[1])], ids=_id)
@settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_patch_with_nothing_but_a_header_keeps_what_it_does_not_have_to_repeat(
    folder: str, kind: Kind, data: st.DataObject
) -> None:
    written, meant = data.draw(documents(kind))
    name = "name: n0\n" if kind.named else ""
    patch = Part("header", f"apiVersion: {kind.api_version}\nkind: {kind.name}\n{name}".encode())
    assert compared(compose([Part("base", written.encode()), patch], folder).config) == compared(meant.encode())


@pytest.mark.parametrize("base", _BASES, ids=lambda base: base.stem)
def test_a_generated_base_is_kept(base: Path) -> None:
    release = base.stem.partition("-")[0]
    content = base.read_bytes()
    made = compose([Part(base.name, content), _NOTHING], release if release in _FOLDERS else NEWEST).config
    assert list(map(_without_empty, compared(made))) == list(map(_without_empty, compared(content)))


def _without_empty(form: Any) -> Any:
    """A document without the mappings that Talos leaves out when they are empty, and those that are then empty."""
    if not isinstance(form, dict):
        return form
    kept = {key: _without_empty(value) for key, value in form.items()}
    return {key: value for key, value in kept.items() if value not in ({}, [])}
