"""Entries with values that are made at delivery: what is checked before, and what the machine gets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.configurations.snapshot import Snapshot, Toolbox
from bootgrant.sources.encrypted_files import EncryptedFiles
from bootgrant.sources.folder import Folder
from bootgrant.sources.programs import SitePrograms
from bootgrant.wire.identity import MachineIdentity
from bootgrant.wire.secret import Secret

MACHINE = MachineIdentity(mac="52:54:00:00:00:01")


def snapshot(folder: Path, template: str, *allowed: str) -> Snapshot:
    files = folder / "machines"
    (files / "all").mkdir(parents=True)
    (files / "machines.yaml").write_text(
        "defaults: {variables: {join: {mint: [/bin/mint, '{name}'], unmint: [/bin/unmint]}}}\n"
        "entries: [{name: w-1, schema: yaml, match: {mac: '52:54:00:00:00:01'}}]\n"
    )
    (files / "all" / "a.yaml.j2").write_text(template)
    programs = SitePrograms([Path(path) for path in allowed])
    return Snapshot(Folder(files).tree(), Toolbox(EncryptedFiles([]), programs))


def test_a_configuration_has_a_placeholder_until_it_is_delivered(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "join: {{ variables.join }}\n", "/bin/mint", "/bin/unmint")
    assert made.problems() == []
    finished = made.finish("w-1", MACHINE)
    assert finished.config == b"join: made-at-delivery\n"
    assert finished.mints["join"].mint == ("/bin/mint", "w-1")
    assert made.verdicts["w-1"].mints == ("join",)
    assert made.finish("w-1", MACHINE, {"join": Secret("abc.def")}).config == b"join: abc.def\n"


def test_a_value_is_rendered_as_the_template_says(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "join: {{ variables.join | b64encode }}\n", "/bin/mint", "/bin/unmint")
    assert made.finish("w-1", MACHINE, {"join": Secret("a b")}).config == b"join: YSBi\n"


def test_a_variable_that_no_template_uses_is_not_made(tmp_path: Path) -> None:
    made = snapshot(tmp_path, "join: {{ name }}\n", "/bin/mint", "/bin/unmint")
    assert made.finish("w-1", MACHINE).mints == {}


@pytest.mark.parametrize("allowed", [(), ("/bin/mint",), ("/bin/unmint",)])
def test_programs_that_are_not_listed_are_found_before_a_machine_asks(tmp_path: Path, allowed: tuple[str]) -> None:
    (problem,) = snapshot(tmp_path, "join: {{ variables.join }}\n", *allowed).problems()
    assert "which secrets.exec_programs does not list" in problem.message
