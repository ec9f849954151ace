"""What Talos refuses is refused, and nothing else: 3,672 configurations with Talos's verdict (tests/vectors)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from bootgrant.machines.talos.documents import ComposeError, check_conflicts, documents_of, read_configuration
from bootgrant.machines.talos.tables import NEWEST, talos_tables
from bootgrant.machines.talos.validation.report import Report
from bootgrant.machines.talos.validation.whole import INCOMPLETE, validate
from bootgrant.machines.yaml.reading import parse_yaml

_FILE = json.loads((Path(__file__).resolve().parents[3] / "vectors/validation.json").read_text("utf-8"))
Case = dict[str, Any]


def _family(case: Case) -> str:
    return str(case["name"]).partition(".")[0]


FAMILIES = {name: list(cases) for name, cases in groupby(sorted(_FILE["cases"], key=_family), _family)}


def _report(case: Case) -> Report | None:
    """What our checks say; None if the configuration cannot be read at all."""
    config = _FILE["bases"][case.get("base", 0)] + case["config"]
    tables = talos_tables(NEWEST)
    try:
        documents = read_configuration(documents_of(parse_yaml(config.encode()), ""), tables, "")
        check_conflicts(documents, "")
    except ComposeError:
        return None
    return validate(documents, tables)


def _refusals(report: Report) -> list[str]:
    return [f"{each.path}: {each.message}" for each in report.objections if each.is_fatal]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_verdict_is_that_of_talos(family: str) -> None:
    wrong = []
    for case in FAMILIES[family]:
        report = _report(case)
        refusals = ["it cannot be read"] if report is None else _refusals(report)
        if bool(refusals) != (case["verdict"] == "refuse") and case["verdict"] != "depends":
            wrong.append((case["name"], case["verdict"], refusals))
    assert wrong == []


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_refused_is_in_the_document_that_talos_names(family: str) -> None:
    wrong = []
    for case in FAMILIES[family]:
        report = _report(case)
        if report is not None and not set(case.get("documents", ())) <= _kinds(report, is_fatal=True):
            wrong.append((case["name"], case["documents"], _refusals(report)))
    assert wrong == []


def _kinds(report: Report, *, is_fatal: bool) -> set[str]:
    return {each.document.kind.name for each in report.objections if each.document and each.is_fatal is is_fatal}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_warnings_are_as_many_as_those_of_talos(family: str) -> None:
    wrong = []
    for case in FAMILIES[family]:
        report = _report(case)
        found = () if report is None else [each for each in report.objections if not each.is_fatal]
        mine = [each.message for each in found if each.message != INCOMPLETE]
        if report is not None and len(mine) != case.get("warnings", 0):
            wrong.append((case["name"], case.get("warnings", 0), mine))
    assert wrong == []


def _cases(verdict: str) -> Sequence[Case]:
    return [case for case in _FILE["cases"] if case["verdict"] == verdict]


@pytest.mark.parametrize("case", _cases("incomplete"), ids=lambda case: case["name"])
def test_a_configuration_without_a_machine_is_incomplete(case: Case) -> None:
    report = _report(case)
    assert report is not None
    assert [(each.message, each.is_fatal) for each in report.objections] == [(INCOMPLETE, False)]


@pytest.mark.parametrize("case", _cases("depends"), ids=lambda case: case["name"])
def test_what_depends_on_the_release_is_refused_and_what_depends_on_the_disks_is_named(case: Case) -> None:
    report = _report(case)
    assert report is not None
    if case.get("boot"):
        assert "takes Kubernetes" in " ".join(_refusals(report))
    else:
        assert _refusals(report) == []
        assert any("diskSelector matches a disk of the machine" in words for words in report.unchecked)
