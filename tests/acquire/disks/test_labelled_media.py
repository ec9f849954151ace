"""config.yaml is read from a labelled medium, whichever program created it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.disks import read_labelled
from bootgrant.acquire.disks.image import DiskError
from support.machines import FakeMachine
from support.media import ext, fat, iso

_CONFIG = b"version: v1alpha1\n" + b"# a line that makes it longer than one block\n" * 400
_LIMIT = 1 << 20


def _read(root: Path, limit: int = _LIMIT) -> tuple[bytes, str] | None:
    return read_labelled(root, "metal-iso", "config.yaml", limit)


@pytest.mark.parametrize("options", [[], ["-R"], ["-J"], ["-J", "-R"]], ids=" ".join)
def test_an_iso_image_is_read_with_any_kind_of_names(options: list[str], tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG, *options))
    assert _read(tmp_path) == (_CONFIG, str(tmp_path / "dev/sr0"))


@pytest.mark.parametrize("bits", [12, 16, 32])
def test_a_fat_medium_may_have_its_label_in_capitals(bits: int, tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sda", b"\0" * 4096).disk("sda1", fat(tmp_path, _CONFIG, bits))
    assert _read(tmp_path) == (_CONFIG, str(tmp_path / "dev/sda1"))


@pytest.mark.parametrize(
    ("version", "options"),
    [(2, ["-b", "1024"]), (3, ["-b", "4096"]), (4, []), (4, ["-O", "^64bit"]), (4, ["-I", "128"])],
    ids=str,
)
def test_an_ext_filesystem_is_read(version: int, options: list[str], tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("vdb", ext(tmp_path, _CONFIG * 12, version, *options))
    assert _read(tmp_path) == (_CONFIG * 12, str(tmp_path / "dev/vdb"))


def test_ext2_with_indirect_blocks_and_holes(tmp_path: Path) -> None:
    content = _CONFIG + bytes(600 << 10) + _CONFIG
    FakeMachine(tmp_path).disk("vdb", ext(tmp_path, content, 2, "-b", "1024"))
    assert _read(tmp_path) == (content, str(tmp_path / "dev/vdb"))


def test_another_label_or_another_file_does_not_count(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG, "-J", label="install"))
    machine.disk("sdb1", fat(tmp_path, _CONFIG, 12, name="other.yaml")).disk("loop0", b"")
    assert _read(tmp_path) is None


def test_a_machine_without_disks_has_no_medium(tmp_path: Path) -> None:
    assert _read(tmp_path) is None


def test_a_disk_that_cannot_be_opened_is_skipped(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path).disk("sda", b"x" * 2048).disk("sr0", iso(tmp_path, _CONFIG))
    (tmp_path / "dev/sda").unlink()
    assert _read(machine.root) is not None


def test_a_file_larger_than_the_limit_is_not_read(tmp_path: Path) -> None:
    for number, image in enumerate((iso(tmp_path, _CONFIG), fat(tmp_path, _CONFIG, 12), ext(tmp_path, _CONFIG, 4))):
        machine = FakeMachine(tmp_path / f"machine-{number}").disk("sda", image)
        with pytest.raises(DiskError, match=r"config\.yaml has 18018 bytes, more than the limit of 1000"):
            _read(machine.root, limit=1000)


def _images() -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        small = b"version: v1alpha1\n"
        path = Path(folder)
        return [iso(path, small, "-J", "-R"), fat(path, small, 12), ext(path, small, 4), ext(path, small, 2)]


_NUMBERS = st.sampled_from([0, 1, 2, 0x7F, 0x80, 0xFF])
# The positions of descriptors, boot sectors, superblocks, folders and inodes in the images, and any others.
_PLACES = st.one_of(st.integers(0, 4096), st.integers(32768, 65536), st.integers(0, 1 << 20))


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    return _images()


@given(which=st.integers(0, 3), changes=st.lists(st.tuples(_PLACES, _NUMBERS), min_size=1, max_size=20))
def test_a_broken_medium_is_skipped_or_refused(images: list[bytes], which: int, changes: list[tuple[int, int]]) -> None:
    content = bytearray(images[which])
    for place, number in changes:
        if place < len(content):
            content[place] = number
    _assert_read_or_refused(bytes(content))


@given(st.binary(max_size=4096))
def test_arbitrary_bytes_are_a_medium_without_a_configuration(content: bytes) -> None:
    _assert_read_or_refused(content)


def _assert_read_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:  # noqa: PTH112
        FakeMachine(Path(folder)).disk("sda", content)
        try:
            found = _read(Path(folder), limit=4096)
        except DiskError:
            return
        assert found is None or len(found[0]) <= 4096
