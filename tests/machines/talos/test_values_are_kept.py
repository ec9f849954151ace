"""A patch that changes nothing keeps every value of a complete configuration.

``tests/vectors/bases`` has what ``talosctl gen config`` of each release writes, without comments and with dummy keys.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bootgrant.machines.talos import tables
from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import Part
from bootgrant.machines.talos.tables import NEWEST
from support.go_yaml_form import compared

_BASES = sorted((Path(__file__).resolve().parents[2] / "vectors/bases").glob("*.yaml"))
_VERSIONS = Path(tables.__file__).parent / "versions"
_FOLDERS = sorted(folder.name for folder in _VERSIONS.iterdir() if folder.is_dir())
_NOTHING = Part("nothing", b"machine: {}\n")


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
