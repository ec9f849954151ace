"""Texts that Talos parses are read and printed as Go does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootgrant.machines.talos import go_values
from bootgrant.machines.yaml.scalars import Timestamp, float_text, old_plain_value, plain_value
from bootgrant.machines.yaml.writing import natural_order


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
def test_sizes_as_people_say_them(size: int, shown: str) -> None:
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
        (go_values.base64_bytes, ("not base64!", "aGk", "a\tGk=")),
    ],
)
def test_what_is_none_of_them_is_refused(read: Callable[[str], object], texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"is no |this is "):
            read(text)


@pytest.mark.parametrize(
    ("text", "new", "old"),
    [
        ("yes", "yes", True), ("N", "N", False), ("True", True, True), ("~", None, None), ("010", 8, 8),
        ("0o17", 15, 15), ("1_000", 1000, 1000), ("0x1F", 31, 31), ("08", 8.0, 8.0), (".5", 0.5, 0.5),
        ("1e3", 1000.0, 1000.0),
        ("12:30", "12:30", "12:30"), ("18446744073709551615", 2**64 - 1, 2**64 - 1), ("-", "-", "-"),
        ("18446744073709551616", 18446744073709551616.0, 18446744073709551616.0), ("0x", "0x", "0x"),
        ("1e", "1e", "1e"),
        ("2024-01-02", Timestamp("2024-01-02"), "2024-01-02"), ("-.inf", float("-inf"), float("-inf")),
    ],
)  # fmt: skip
def test_plain_scalars_in_both_yamls(text: str, new: object, old: object) -> None:
    assert (plain_value(text), old_plain_value(text)) == (new, old)
    assert (type(plain_value(text)), type(old_plain_value(text))) == (type(new), type(old))


@pytest.mark.parametrize(
    ("value", "text"),
    [(1000.0, "1000"), (123456789.0, "1.23456789e+08"), (1e-7, "1e-07"), (1.5, "1.5"), (0.0001, "0.0001"), (-0.0, "-0"),
     (1e21, "1e+21"), (float("nan"), ".nan"), (float("-inf"), "-.inf")],
)  # fmt: skip
def test_floats_as_go_writes_them(value: float, text: str) -> None:
    assert float_text(value) == text


def test_keys_in_the_order_of_go_yaml() -> None:
    ordered = ["", "# x", "1", "2", "10", "NO_PROXY", "a", "a_b", "a1", "a2", "a10", "a10b", "aB", "ab", "http", "ключ"]
    assert natural_order(list(reversed(ordered))) == ordered
