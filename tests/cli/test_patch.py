"""``bootgrant patch`` as a person runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BASE = "version: v1alpha1\nmachine:\n  type: worker # a comment\n"


def _patch(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bootgrant", "patch", *words]
    return subprocess.run(command, cwd=folder, input=given, capture_output=True, text=True, timeout=60, check=False)


def test_patches_are_applied_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "one.yaml").write_text("machine: {sysctls: {a: '1'}}\n")
    (tmp_path / "two.yaml").write_text("machine: {sysctls: {a: '2'}}\n")
    done = _patch(tmp_path, "base.yaml", "one.yaml", "two.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert '    sysctls:\n        a: "2"\n' in done.stdout


def test_without_patches_the_base_is_printed_byte_for_byte(tmp_path: Path) -> None:
    assert _patch(tmp_path, "-", given=BASE).stdout == BASE


def test_surprises_go_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE + "  certSANs: [a.example.org]\n")
    done = _patch(tmp_path, "base.yaml", "-", given="machine: {certSANs: []}\n")
    assert done.returncode == 0
    assert "standard input: v1alpha1/machine.certSANs keeps its 1 elements" in done.stderr
    strict = _patch(tmp_path, "--strict", "base.yaml", "-", given="machine: {certSANs: []}\n")
    assert (strict.returncode, strict.stdout) == (3, "")


def test_an_error_names_the_file_and_the_line(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    (tmp_path / "wrong.yaml").write_text("machine:\n  certSAN: [a]\n")
    done = _patch(tmp_path, "base.yaml", "wrong.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bootgrant: wrong.yaml, line 2: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = _patch(tmp_path, "nowhere.yaml")
    assert (done.returncode, done.stderr) == (1, "bootgrant: nowhere.yaml: No such file or directory\n")


def test_the_standard_input_is_read_once(tmp_path: Path) -> None:
    assert "only one of BASE and PATCH" in _patch(tmp_path, "-", "-").stderr


def test_a_patch_is_applied_as_a_release_of_talos_does(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text(BASE)
    patch = "machine: {install: {grubUseUKICmdline: true}}\n"
    assert _patch(tmp_path, "base.yaml", "-", "--talos", "1.12", given=patch).returncode == 0
    older = _patch(tmp_path, "base.yaml", "-", "--talos=1.11", given=patch)
    assert "machine.install.grubUseUKICmdline appears in Talos 1.12, and this is for Talos 1.11" in older.stderr
    unknown = _patch(tmp_path, "base.yaml", "--talos=1.9")
    assert (unknown.returncode, unknown.stderr) == (2, "bootgrant: --talos: write one of 1.11, 1.12, 1.13, 1.14\n")
