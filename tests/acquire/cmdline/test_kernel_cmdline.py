"""The kernel command line is parsed as by Talos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import MAX_CMDLINE, parse_cmdline, read_cmdline
from bootgrant.acquire.errors import BadParameter
from support.vectors import vectors


@pytest.mark.parametrize("entry", vectors("cmdline"), ids=lambda entry: ascii(entry["input"]["cmdline"][:40]))
def test_it_agrees_with_the_reference(entry: dict[str, Any]) -> None:
    cmdline = parse_cmdline(entry["input"]["cmdline"])
    assert [[key, list(values)] for key, values in cmdline.parameters] == entry["output"]["params"]
    assert cmdline.first("talos.config") == entry["output"]["talos_config_first"]


def test_all_values_of_a_key_come_in_order_and_an_absent_key_has_none() -> None:
    cmdline = parse_cmdline("scope=a ro scope=b scope")
    assert cmdline.all("scope") == ("a", "b", "")
    assert cmdline.all("missing") == ()
    assert cmdline.first("missing") is None


@given(st.binary())
def test_bytes_that_are_not_utf8_survive(content: bytes) -> None:
    words = parse_cmdline(content.decode("utf-8", "surrogateescape"))
    for key, values in words.parameters:
        for value in values:
            word = f"{key}={value}" if value else key
            assert word.encode("utf-8", "surrogateescape") in content


def test_the_file_is_read_with_its_newline(tmp_path: Path) -> None:
    (tmp_path / "cmdline").write_bytes(b"ro talos.config=http://x/\xff\n")
    assert read_cmdline(tmp_path / "cmdline") == "ro talos.config=http://x/\udcff\n"


def test_a_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="cmdline-that-is-not-there: No such file"):
        read_cmdline(tmp_path / "cmdline-that-is-not-there")


def test_a_file_too_large_for_a_command_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.img").write_bytes(b"x" * (MAX_CMDLINE + 1))
    with pytest.raises(BadParameter, match="larger than"):
        read_cmdline(tmp_path / "disk.img")
