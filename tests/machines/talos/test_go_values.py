"""Texts that Talos parses are read and printed as Go does it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bootgrant.machines.talos import go_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [("90s", "1m30s"), ("1.5h", "1h30m0s"), ("36h", "36h0m0s"), ("1500us", "1.5ms"), ("-2m", "-2m0s"), ("0", "0s"),
     ("1h0.25s", "1h0m0.25s"), ("7ns", "7ns"), (".5s", "500ms"), ("1.1h", "1h6m0s"),
     ("-2562047h47m16.854775808s", "-2562047h47m16.854775808s")],
)  # fmt: skip
def test_durations(text: str, shown: str) -> None:
    assert go_values.duration_text(go_values.duration(text)) == shown


@pytest.mark.parametrize(
    ("read", "text", "shown"),
    [
        (go_values.address, "FE80::1", "fe80::1"),
        (go_values.address, "::FFFF:1.2.3.4", "::ffff:1.2.3.4"),
        (go_values.address, "::ffff:1.2.3.4%eth0", "::ffff:1.2.3.4%eth0"),
        (go_values.prefix, "2001:DB8:0:0::1/64", "2001:db8::1/64"),
        (go_values.prefix, "10.1.2.3/16", "10.1.2.3/16"),
        (go_values.address_port, "[FD00::1]:51820", "[fd00::1]:51820"),
        (go_values.address_port, "1.2.3.4:0000000080", "1.2.3.4:80"),
        (go_values.hardware_address, "02:00:00:00:AA:02", "02:00:00:00:aa:02"),
    ],
)
def test_addresses(read: Callable[[str], str], text: str, shown: str) -> None:
    assert read(text) == shown


@pytest.mark.parametrize(("text", "ports"), [("1-65535", (1, 65535)), ("443-80", (443, 80)), ("007-0008", (7, 8))])
def test_ranges_of_ports(text: str, ports: tuple[int, int]) -> None:
    assert go_values.port_range(text) == ports


@pytest.mark.parametrize(
    ("read", "texts"),
    [
        (go_values.duration, ("", "5", "5 m", "m", "1h5", "9" * 300 + "s", "2562047h47m16.854775808s")),
        (go_values.address, ("1.2.3", "01.2.3.4", "fe80::1::2")),
        (go_values.prefix, ("10.0.0.0", "10.0.0.0/33", "10.0.0.0/08", "/8")),
        (go_values.address_port, ("1.2.3.4", "1.2.3.4:99999", "fe80::1:80", "[1.2.3.4]:80")),
        (go_values.hardware_address, ("02-00-00-00-aa-02", "02:0", "zz:00")),
        (go_values.port_range, ("443", "1-70000", "-1", "1-", "1 - 2", "+1-2")),
        (go_values.base64_bytes, ("not base64!", "aGk", "a\tGk=")),
    ],
)
def test_other_texts_are_rejected(read: Callable[[str], object], texts: tuple[str, ...]) -> None:
    for text in texts:
        with pytest.raises(ValueError, match=r"is not |this is "):
            read(text)
