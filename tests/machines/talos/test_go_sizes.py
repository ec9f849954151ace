"""Sizes are read and written as Talos does it, to the byte."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.machines.talos import go_sizes


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10**10),
        ("1.50 GiB", 1610612736),
        ("100", 100),
        ("1,000kb", 10**6),
        ("5 M", 5 * 10**6),
        ("10\tGiB ", 10 * 2**30),
        ("1e", 10**18),
        (".5G", 5 * 10**8),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert go_sizes.byte_size(text) == size


@pytest.mark.parametrize(
    ("size", "shown"), [(9, "9 B"), (100 * 10**9, "100 GB"), (1500, "1.5 kB"), (4 * 10**9, "4.0 GB"), (0, "0 B")]
)
def test_sizes_are_shown_as_humanize_does(size: int, shown: str) -> None:
    assert go_sizes.size_shown(size) == shown


@pytest.mark.parametrize(
    ("size", "written"),
    [
        (100 * 10**9, "100 GB"),
        (10**6, "1.0 MB"),
        (15 * 10**8, "1.5 GB"),
        (10 * 2**30, 10 * 2**30),
        (10_500_000, 10_500_000),
        (123_456_789_000, 123_456_789_000),
        (1024, 1024),
    ],
)
def test_a_rounded_text_is_not_written(size: int, written: str | int) -> None:
    assert go_sizes.exact_size(size) == written


@given(st.integers(0, 2**64 - 1025) | st.integers(0, 10**7).map(lambda thousands: thousands * 1000))
def test_what_is_written_says_the_same_size(size: int) -> None:
    written = go_sizes.exact_size(size)
    assert (go_sizes.byte_size(written) if isinstance(written, str) else written) == size


@pytest.mark.parametrize(
    "text", ["50%", "-5%", "50.5%", "0%", "1e1%", "+7%", "1_0.5%", "0x_1_0.8P1%", "NaN%", "-nan%", "1E0_1%", "5.%"]
)
def test_percentages_keep_their_text(text: str) -> None:
    assert go_sizes.percentage(text) == text


@pytest.mark.parametrize("text", ["", "10GiB", "-5 GB", "1,000"])
def test_sizes_of_volumes_keep_their_text(text: str) -> None:
    assert go_sizes.checked_size(text) == text


def test_a_condition_loses_the_blanks_around_it() -> None:
    assert go_sizes.size_condition(" >= 5 GB\n") == ">= 5 GB"


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (go_sizes.byte_size, ("", "lots", "50%", " 1GB", "1.2.3", "1 XB", "-5", "18446744073709551616", "9" * 300)),
        (
            go_sizes.percentage,
            (
                "%",
                "a%",
                "101%",
                "50",
                "5%0",
                "--5%",
                "1_%",
                "_1%",
                "1__0%",
                "1._5%",
                "0x10%",
                "0x1p9999%",
                "+nan%",
                "inf%",
            ),
        ),
        (go_sizes.size_condition, (">>1GB", "> big", "")),
        (go_sizes.checked_size, ("5%", "--1", "-")),
    ],
)
def test_other_texts_are_rejected(read: Callable[[str], object], texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"is not |this is |is too large"):
            read(text)
