"""The recorded cases, asked again of each release."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bootgrant.machines.talos.tables import talos_tables
from oracle.allowed import ALLOWED
from oracle.comparing import Figures, outcome
from oracle.reference import Reference
from oracle.verdicts import verdict_difference
from support.parts import shared_data

_VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def _patching() -> list[dict[str, Any]]:
    files = [json.loads((_VECTORS / name).read_text("utf-8")) for name in ("patching.json", "patching_more.json")]
    return [vector | {"config": file["configs"][vector["config"]]} for file in files for vector in file["vectors"]]


def test_recorded_patches_compose_as_each_release_composes_them(reference: Reference) -> None:
    figures = Figures(f"Talos {reference.release}, recorded patches")
    for vector in _patching():
        figures.add(outcome(reference, vector["config"], vector["patches"]), ALLOWED)
    figures.check()


def test_recorded_configurations_are_judged_as_each_release_judges_them(reference: Reference) -> None:
    vectors = json.loads(shared_data("vectors/validation/vectors.json").read_text("utf-8"))
    figures = Figures(f"Talos {reference.release}, recorded configurations")
    for vector in vectors:
        figures.add(verdict_difference(reference, vector["config"]), ALLOWED)
    figures.check()


def test_the_tables_are_what_the_tool_writes(reference: Reference) -> None:
    """Those of 1.14 are of a later commit than the newest module of its line."""
    shipped = talos_tables(reference.release).kinds
    if reference.release == "1.14":
        assert shipped.keys() >= reference.tables.kinds.keys()
    else:
        assert shipped.keys() == reference.tables.kinds.keys()
        assert all(kind.rules == reference.tables.kinds[key].rules for key, kind in shipped.items())
