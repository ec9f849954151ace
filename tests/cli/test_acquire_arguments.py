"""The command line of `bootgrant acquire`, all of which docs/acquire.md documents."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from bootgrant.acquire.cmdline.settings import OAUTH_PARAMETERS
from bootgrant.acquire.errors import ExitStatus
from bootgrant.cli import acquire

PAGE = (Path(__file__).resolve().parents[2] / "docs/acquire.md").read_text(encoding="utf-8")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
    acquire.add_arguments(made)
    return made


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("2m30s", 150), ("30", 30), ("0", 0), ("0.25", 0.25)],
)  # fmt: skip
def test_durations_are_parsed_as_in_go(text: str, seconds: float) -> None:
    assert acquire.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1d", "1h 30m", "soon", "1e3", "9" * 400, "9000h"])
def test_an_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        acquire.seconds(text)


@pytest.mark.parametrize(
    ("text", "bytes_"), [("1000", 1000), ("64K", 65536), ("16M", 16 << 20), ("16MiB", 16 << 20), ("1g", 1 << 30)]
)
def test_sizes_have_binary_units(text: str, bytes_: int) -> None:
    assert acquire.size(text) == bytes_


@pytest.mark.parametrize("text", ["", "0", "-1", "1T", "1.5M", "M"])
def test_an_invalid_size_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        acquire.size(text)


def test_a_variable_may_have_any_value() -> None:
    assert acquire.variable("code=a=b") == ("code", "a=b")
    assert acquire.variable("serial=") == ("serial", "")
    with pytest.raises(argparse.ArgumentTypeError):
        acquire.variable("serial")


@pytest.mark.parametrize("words", [["--output", "a", "--nocloud"], ["--cmdline", "a", "--cmdline-file", "b"]])
def test_flags_that_exclude_each_other_are_refused_together(words: list[str]) -> None:
    with pytest.raises(argparse.ArgumentError):
        parser().parse_args(words)


def test_the_page_lists_every_flag_and_every_choice() -> None:
    for action in parser()._actions:
        for flag in action.option_strings:
            assert flag in {"-h", "--help"} or f"`{flag}" in PAGE, flag
        for choice in action.choices or ():
            assert f"`{choice}`" in PAGE, (action.option_strings, choice)


def test_the_page_lists_every_exit_status_and_every_parameter() -> None:
    for status in ExitStatus:
        assert f"| {status.value} |" in PAGE, status
    for name in OAUTH_PARAMETERS:
        assert f"`{name}`" in PAGE, name
