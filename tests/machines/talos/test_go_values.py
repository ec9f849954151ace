"""Texts that Talos parses are read and printed as Go does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootgrant.machines.talos import go_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [("90s", "1m30s"), ("1.5h", "1h30m0s"), ("36h", "36h0m0s"), ("1500us", "1.5ms"), ("-2m", "-2m0s"), ("0", "0s"),
     ("1h0.25s", "1h0m0.25s"), ("7ns", "7ns"), (".5s", "500ms")],
)  # fmt: skip
def test_durations(text: str, shown: str) -> None:
    assert go_values.duration_text(go_values.duration(text)) == shown


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("10GB", 10**10),
        ("1.50 GiB", 1610612736),
        ("100", 100),
        ("1,000kb", 10**6),
        ("5 M", 5 * 10**6),
        ("-1K", -1000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert go_values.byte_size(text) == size


@pytest.mark.parametrize(
    ("size", "shown"), [(9, "9 B"), (100 * 10**9, "100 GB"), (1500, "1.5 kB"), (4 * 10**9, "4.0 GB"), (0, "0 B")]
)
def test_sizes_are_shown_as_humanize_does(size: int, shown: str) -> None:
    assert go_values.size_shown(size) == shown


@pytest.mark.parametrize(
    ("read", "text", "shown"),
    [
        (go_values.address, "FE80::1", "fe80::1"),
        (go_values.address, "::FFFF:1.2.3.4", "::ffff:1.2.3.4"),
        (go_values.prefix, "2001:DB8:0:0::1/64", "2001:db8::1/64"),
        (go_values.prefix, "10.1.2.3/16", "10.1.2.3/16"),
        (go_values.address_port, "[FD00::1]:51820", "[fd00::1]:51820"),
        (go_values.hardware_address, "02:00:00:00:AA:02", "02:00:00:00:aa:02"),
    ],
)
def test_addresses(read: Callable[[str], str], text: str, shown: str) -> None:
    assert read(text) == shown


def test_a_percentage_may_be_negative() -> None:
    assert [go_values.percentage(text) for text in ("50%", "-5%")] == ["50%", "-5%"]


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (go_values.duration, ("", "5", "5 m", "m", "1h5", "9" * 300 + "s")),
        (go_values.byte_size, ("", "lots", "50%", " 1GB", "1.2.3", "1 XB")),
        (go_values.address, ("1.2.3", "01.2.3.4", "fe80::1::2")),
        (go_values.prefix, ("10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "/8")),
        (go_values.address_port, ("1.2.3.4", "1.2.3.4:99999", "fe80::1:80", "[1.2.3.4]:80")),
        (go_values.hardware_address, ("02-00-00-00-aa-02", "02:0", "zz:00")),
        (go_values.port_range, ("443", "2-1", "1-70000")),
        (go_values.percentage, ("%", "a%", "5.5%")),
        (go_values.size_condition, (">>1GB", "> big")),
        (go_values.base64_bytes, ("not base64!", "aGk", "a\tGk=", "QUJD=", "QUJD====")),
    ],
)
def test_other_texts_are_rejected(read: Callable[[str], object], texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"is not |this is "):
            read(text)
