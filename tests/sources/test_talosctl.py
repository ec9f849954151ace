"""The installed talosctl as the composer, with a script in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.machines.site.model import Schema
from bootgrant.machines.talos.documents import ComposeError, Part
from bootgrant.sources.talosctl import Talosctl

BASE = Part("all.yaml", b"machine: {type: worker}\n")
PATCH = Part("role/net.yaml", b"machine: {token: abc}\n")


def _script(folder: Path, script: str) -> Talosctl:
    program = folder / "talosctl"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Talosctl(str(program), seconds=20)


def test_base_and_patches_reach_the_program_in_order(tmp_path: Path) -> None:
    talosctl = _script(tmp_path, 'echo "# $1 $2 $4 $6"; cat "$3" "${5#@}" "${7#@}"')
    last = Part("last.yaml", b"cluster: {}\n")
    made = talosctl.compose(Schema.TALOS, [BASE, PATCH, last])
    heading, rest = made.config.split(b"\n", 1)
    assert heading == b"# machineconfig patch --patch --patch"
    assert rest == BASE.content + PATCH.content + last.content


def test_the_content_of_parts_is_in_no_argument_and_on_no_disk(tmp_path: Path) -> None:
    talosctl = _script(tmp_path, 'echo "$@"; readlink "$3"')
    config = talosctl.compose(Schema.TALOS, [BASE, PATCH]).config
    assert b"token" not in config
    assert b"memfd:" in config


def test_an_error_names_the_part(tmp_path: Path) -> None:
    talosctl = _script(tmp_path, 'echo "cannot read ${5#@}: unknown keys" >&2; exit 1')
    with pytest.raises(ComposeError) as refused:
        talosctl.compose(Schema.TALOS, [BASE, PATCH])
    assert refused.value.part == "role/net.yaml"
    assert "role/net.yaml: unknown keys" in refused.value.message
    assert "/dev/fd" not in refused.value.message


def test_a_program_that_prints_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match="printed nothing"):
        _script(tmp_path, "exit 0").compose(Schema.TALOS, [BASE, PATCH])


def test_a_program_that_hangs_is_killed(tmp_path: Path) -> None:
    endless = Talosctl(_script(tmp_path, "exec sleep 1000").program, seconds=0.3)
    with pytest.raises(ComposeError, match="took too long"):
        endless.compose(Schema.TALOS, [BASE, PATCH])


def test_without_talosctl_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ComposeError, match=r'is not installed here.*composer = "bootgrant"'):
        Talosctl(str(tmp_path / "talosctl")).compose(Schema.TALOS, [BASE, PATCH])


def test_a_base_without_patches_and_other_schemas_need_no_talosctl(tmp_path: Path) -> None:
    absent = Talosctl(str(tmp_path / "talosctl"))
    assert absent.compose(Schema.TALOS, [BASE]).config == BASE.content
    assert absent.compose(Schema.TEXT, [BASE]).config == BASE.content


def test_validate_reads_the_configuration_from_memory_and_returns_the_reason(tmp_path: Path) -> None:
    _script(
        tmp_path,
        'test "$1 $2 $3 $4" = "validate --mode metal --config" && grep -q disk "$5" || { echo "no disk" >&2; exit 1; }',
    )
    validate = Talosctl(str(tmp_path / "talosctl"), seconds=20).validate
    assert validate(b"machine: {install: {disk: /dev/sda}}\n") == ""
    assert "no disk" in validate(b"machine: {}\n")


def test_validate_returns_every_reason_of_talosctl(tmp_path: Path) -> None:
    listed = (
        r"error: 2 errors occurred:\n\t* v1alpha1.Config: 2 errors occurred:\n\t* no disk\n\t* no CA\n\n\t* no name\n\n"
    )
    _script(tmp_path, f"printf '{listed}' >&2; exit 1")
    found = Talosctl(str(tmp_path / "talosctl"), seconds=20).validate(b"machine: {}\n")
    assert found.endswith(" validate: no disk; no CA; no name")
