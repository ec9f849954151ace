"""A configuration that is already on the machine: on a labelled medium, or in a file."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bootgrant.acquire.disks import read_file_url, read_metal_iso
from bootgrant.acquire.errors import BadConfig, BadParameter, DownloadFailed
from support.machines import FakeMachine
from support.media import iso

_CONFIG = b"version: v1alpha1\nmachine:\n  type: worker\n"


def test_the_configuration_is_read_from_the_labelled_medium(tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG))
    assert read_metal_iso(tmp_path, time.monotonic()) == (_CONFIG, str(tmp_path / "dev/sr0"))


def test_without_the_medium_the_error_explains_how_to_create_one(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"no medium labelled metal-iso.*xorriso -as mkisofs -V metal-iso"):
        read_metal_iso(tmp_path, time.monotonic())


def test_a_file_on_a_medium_that_is_too_large_is_refused(tmp_path: Path) -> None:
    FakeMachine(tmp_path).disk("sr0", iso(tmp_path, _CONFIG))
    with pytest.raises(BadConfig, match="more than the limit of 10"):
        read_metal_iso(tmp_path, time.monotonic(), limit=10)


def test_a_file_url_names_a_file(tmp_path: Path) -> None:
    (tmp_path / "a b.yaml").write_bytes(_CONFIG)
    assert read_file_url(f"file://{tmp_path}/a%20b.yaml?uuid=1") == _CONFIG
    with pytest.raises(BadConfig, match="more than 10 bytes"):
        read_file_url(f"file://{tmp_path}/a%20b.yaml", limit=10)


@pytest.mark.parametrize("url", ["file://server/share", "file:relative", "file://", "file:///a%00b", "file://[x"])
def test_a_file_url_without_a_file_on_this_machine_is_refused(url: str) -> None:
    with pytest.raises(BadParameter):
        read_file_url(url)


def test_a_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"missing\.yaml: No such file"):
        read_file_url(f"file://{tmp_path}/missing.yaml")
