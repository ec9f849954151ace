"""Configurations on disk: complete or absent, private, and never replaced by accident."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bootgrant.acquire.errors import BadConfig, OutputFailed
from bootgrant.acquire.sinks import Sink
from bootgrant.acquire.sinks.files import FileSink, IgnitionSink, NoCloudSink

IGNITION = b'{"ignition": {"version": "3.4.0"}}'


def test_a_file_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folders" / "machine.yaml"
    before = os.umask(0)
    try:
        assert FileSink(path).write(b"kind: \x00\xff\n") == str(path)
    finally:
        os.umask(before)
    assert path.read_bytes() == b"kind: \x00\xff\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o177, 0o777])
@pytest.mark.parametrize("kind", ["file", "seed", "ignition"])
def test_folders_that_are_made_are_private_whatever_the_umask(tmp_path: Path, kind: str, umask: int) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    place = there / "new" / "er"
    sinks: dict[str, Sink] = {
        "file": FileSink(place / "machine.yaml"),
        "seed": NoCloudSink(place),
        "ignition": IgnitionSink(place / "user.ign"),
    }
    before = os.umask(umask)
    try:
        sinks[kind].write(IGNITION)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (there, place.parent, place)] == [0o755, 0o700, 0o700]
    assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}


def test_a_folder_that_was_removed_is_an_error_and_not_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(OutputFailed, match=r"cannot write to machine\.yaml"):
        FileSink(Path("machine.yaml")).write(b"machine: {}\n")


def test_an_existing_file_with_content_counts_as_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "machine.yaml"
    assert FileSink(path).already_there() is None
    path.write_bytes(b"")
    assert FileSink(path).already_there() is None
    FileSink(path).write(b"machine: {}\n")
    assert FileSink(path).already_there() == str(path)


def test_a_symbolic_link_is_replaced_and_its_target_is_unchanged(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "machine.yaml"
    victim.write_text("untouched")
    path.symlink_to(victim)
    FileSink(path).write(b"machine: {}\n")
    assert victim.read_text() == "untouched"
    assert not path.is_symlink()


def test_an_old_file_survives_a_write_that_fails(tmp_path: Path) -> None:
    """A file cannot replace a folder that is not empty."""
    path = tmp_path / "machine.yaml"
    (path / "inside").mkdir(parents=True)
    with pytest.raises(OutputFailed, match=r"machine\.yaml"):
        FileSink(path).write(b"machine: {}\n")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("make", [FileSink, IgnitionSink, lambda path: NoCloudSink(path / "seed")])
def test_a_place_that_is_not_writable_is_found_before_any_request(tmp_path: Path, make: Callable[[Path], Sink]) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputFailed, match="not a folder"):
        make(tmp_path / "file" / "machine").already_there()


def test_a_device_is_not_taken_for_a_file() -> None:
    with pytest.raises(OutputFailed, match="omit --output to use standard output"):
        FileSink(Path("/dev/null")).already_there()
    with pytest.raises(OutputFailed, match=r"not a file\): name another place"):
        IgnitionSink(Path("/dev/null")).already_there()


def test_both_files_of_a_nocloud_seed_are_private(tmp_path: Path) -> None:
    sink = NoCloudSink(tmp_path / "nocloud", instance_id="5d0a: #1")
    assert sink.write(b"#cloud-config\n") == str(tmp_path / "nocloud")
    assert (tmp_path / "nocloud" / "user-data").read_bytes() == b"#cloud-config\n"
    meta = (tmp_path / "nocloud" / "meta-data").read_text()
    assert meta == 'instance-id: "5d0a: #1"\n'
    modes = {stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "nocloud").iterdir()}
    assert modes == {0o600}


def test_a_new_configuration_is_a_new_instance_unless_the_machine_has_an_id(tmp_path: Path) -> None:
    for config in (b"#cloud-config\n", b"#cloud-config\n{}\n"):
        NoCloudSink(tmp_path / str(len(config))).write(config)
        NoCloudSink(tmp_path / f"named-{len(config)}", instance_id="uuid").write(config)
    unnamed = {file.read_text() for file in tmp_path.glob("[0-9]*/meta-data")}
    named = {file.read_text() for file in tmp_path.glob("named-*/meta-data")}
    assert (len(unnamed), len(named)) == (2, 1)


def test_a_seed_without_meta_data_is_not_complete(tmp_path: Path) -> None:
    sink = NoCloudSink(tmp_path)
    sink.write(b"#cloud-config\n")
    assert sink.already_there() == str(tmp_path)
    (tmp_path / "meta-data").unlink()
    assert sink.already_there() is None


def test_a_seed_that_cannot_be_replaced_becomes_incomplete(tmp_path: Path) -> None:
    sink = NoCloudSink(tmp_path)
    sink.write(b"#cloud-config\n")
    (tmp_path / "user-data").unlink()
    (tmp_path / "user-data" / "inside").mkdir(parents=True)
    with pytest.raises(OutputFailed):
        sink.write(b"#cloud-config\n{}\n")
    assert not (tmp_path / "meta-data").exists()


def test_an_ignition_file_is_complete_only_if_ignition_can_read_it(tmp_path: Path) -> None:
    sink = IgnitionSink(tmp_path / "user.ign")
    assert sink.write(IGNITION) == str(tmp_path / "user.ign")
    assert sink.already_there() == str(tmp_path / "user.ign")
    (tmp_path / "user.ign").write_bytes(IGNITION[:-3])
    assert sink.already_there() is None


@pytest.mark.parametrize(
    "config", [b"#cloud-config\n", b"[]", b"{}", b'{"ignition": {}}', b'{"ignition": {"version": 3}}', b"[" * 9999]
)
def test_another_kind_than_ignition_is_never_written(tmp_path: Path, config: bytes) -> None:
    with pytest.raises(BadConfig, match="Ignition"):
        IgnitionSink(tmp_path / "user.ign").write(config)
    assert list(tmp_path.iterdir()) == []


def test_an_ignition_file_is_written_unchanged(tmp_path: Path) -> None:
    pretty = json.dumps(json.loads(IGNITION), indent=1).encode()
    IgnitionSink(tmp_path / "user.ign").write(pretty)
    assert (tmp_path / "user.ign").read_bytes() == pretty
