"""Test data of Talos's own patcher."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.machines.talos.composing import compose
from bootgrant.machines.talos.documents import ComposeError, Part, Reason
from support.go_yaml_form import compared
from support.parts import shared_data


def _read(folder: Path, names: list[str]) -> list[Part]:
    return [Part(name, (folder / name).read_bytes()) for name in names]


@pytest.mark.parametrize(
    ("case", "names"),
    [
        ("auditpolicy", ["config.yaml", "patch1.yaml"]),
        ("multidoc", ["config.yaml", "strategic1.yaml", "strategic2.yaml", "strategic3.yaml"]),
        ("patchdelete", ["config.yaml", "strategic1.yaml"]),
        ("patchmixed", ["base.yaml", "patch.yaml"]),
    ],
)
def test_a_case_of_taloss_own_tests_composes_as_expected(case: str, names: list[str]) -> None:
    folder = shared_data("vectors/configpatcher") / case
    assert compared(compose(_read(folder, names)).config) == compared((folder / "expected.yaml").read_bytes())


def test_a_json_patch_of_several_documents_is_rejected() -> None:
    folder = shared_data("vectors/configpatcher/multidoc")
    with pytest.raises(ComposeError) as refused:
        compose(_read(folder, ["config.yaml", "jsonpatch.yaml"]))
    assert refused.value.reason is Reason.JSON_PATCH
