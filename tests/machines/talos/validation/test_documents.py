"""Documents other than v1alpha1 are checked by the rules of their kind, for each release."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bootgrant.machines.talos.documents import Part, read_configuration, read_documents
from bootgrant.machines.talos.tables import LEGACY, talos_tables
from bootgrant.machines.talos.validation.documents import CHECKS, WITHOUT_RULES
from bootgrant.machines.talos.validation.report import Report

TABLES = talos_tables()
CASES = json.loads((Path(__file__).parents[3] / "vectors" / "document_rules.json").read_text("utf-8"))
"""Documents, and the fields that Talos refuses; for ``changed``, a release that refuses and one that accepts."""


def report_on(text: str, release: str = "1.14") -> Report:
    part = Part("machine.yaml", f"apiVersion: v1alpha1\n{text}".encode())
    [document] = read_configuration(read_documents(part), TABLES, part.name)
    report = Report(release, document=document)
    CHECKS[document.kind.name](document.value, report)
    return report


def refused(text: str, release: str = "1.14") -> list[str]:
    return [objection.path for objection in report_on(text, release).objections if objection.is_fatal]


def warned(text: str, release: str = "1.14") -> list[str]:
    return [objection.path for objection in report_on(text, release).objections if not objection.is_fatal]


def test_every_kind_has_a_check_and_no_check_is_for_an_unknown_kind() -> None:
    assert set(CHECKS) == {kind.name for kind in TABLES.kinds.values()} - {LEGACY}


@pytest.mark.parametrize("kind", sorted(WITHOUT_RULES))
def test_a_kind_without_rules_is_accepted_without_any_field(kind: str) -> None:
    assert report_on(f"kind: {kind}").objections == []


@pytest.mark.parametrize("kind", sorted(set(CHECKS) - WITHOUT_RULES))
def test_a_refusal_names_a_field_of_the_kind_and_what_to_do(kind: str) -> None:
    for objection in report_on(f"kind: {kind}").objections:
        assert objection.message
        assert (
            objection.path == ""
            or objection.path.split(".")[0].split("[")[0] in TABLES.kinds["v1alpha1", kind].type.fields
        )


@pytest.mark.parametrize(("text", "paths"), CASES["refused"])
def test_what_talos_refuses_is_refused_at_its_field(text: str, paths: list[str]) -> None:
    assert refused(text) == paths


@pytest.mark.parametrize("text", CASES["accepted"])
def test_what_talos_accepts_is_accepted(text: str) -> None:
    assert refused(text) == []


@pytest.mark.parametrize(("text", "refusing", "accepting", "paths"), CASES["changed"])
def test_rules_that_changed_are_those_of_the_release(
    text: str, refusing: str, accepting: str, paths: list[str]
) -> None:
    assert (refused(text, refusing), refused(text, accepting)) == (paths, [])


@pytest.mark.parametrize(("text", "paths"), CASES["warned"])
def test_what_talos_only_warns_of_is_no_refusal(text: str, paths: list[str]) -> None:
    assert (refused(text), warned(text)) == ([], paths)


def test_a_refusal_repeats_no_value() -> None:
    report = report_on("kind: WireguardConfig\nname: w\nprivateKey: hunter2\npeers: [{publicKey: hunter2}]")
    assert [objection.path for objection in report.objections] == ["privateKey", "peers[0].publicKey"]
    assert "hunter2" not in "".join(objection.message for objection in report.objections)


def test_an_expression_that_is_too_large_to_check_is_said_to_be_unchecked() -> None:
    report = report_on(f"kind: LinkAliasConfig\nname: net0\nselector: {{match: '{'[' * 200 + ']' * 200}'}}")
    assert report.objections == []
    assert [place.split(":")[0] for place in report.unchecked] == ["selector.match"]


def test_a_release_before_1_13_reads_minus_zero_per_cent() -> None:
    assert refused("kind: VolumeConfig\nname: EPHEMERAL\nprovisioning: {maxSize: -0%}", "1.12") == []
