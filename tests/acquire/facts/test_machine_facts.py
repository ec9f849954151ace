"""The variables of a machine: their sources, what counts as absent, and the wait for them."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootgrant.acquire.cmdline.kernel_cmdline import parse_cmdline
from bootgrant.acquire.errors import BadParameter
from bootgrant.acquire.facts import VARIABLES, Absent, Fact, MachineFacts
from support.machines import FakeMachine
from support.vectors import vectors

_UUID = "5d0a7b2e-8a4c-4b8e-9d4a-0123456789ab"


def _facts(root: Path, cmdline: str = "", *, compat: bool = False, **given: str) -> MachineFacts:
    return MachineFacts(root, parse_cmdline(cmdline), given, compat=compat)


def _value(root: Path, name: str, cmdline: str = "", *, compat: bool = False) -> str | None:
    fact = _facts(root, cmdline, compat=compat).read(name)
    return fact.value if fact else None


@pytest.mark.parametrize(
    "entry", vectors("mapvalues"), ids=lambda entry: ascii(f"{entry['input']['names']} {len(entry['input']['values'])}")
)
def test_waiting_agrees_with_the_reference(entry: dict[str, Any], tmp_path: Path) -> None:
    facts = MachineFacts(tmp_path, parse_cmdline(""), entry["input"]["values"], compat=True)
    expected = entry["output"]
    if expected["error"]:
        with pytest.raises(BadParameter) as caught:
            facts.wait_for(entry["input"]["names"], time.monotonic(), lambda _: None)
        assert caught.value.what == expected["error"]
        return
    values = facts.wait_for(entry["input"]["names"], time.monotonic(), lambda _: None)
    assert values == expected["values"]
    assert ("" in values.values()) == expected["timed_out"]


def test_uuid_and_serial_come_from_firmware(tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(uuid=_UUID.upper(), serial="  SN 123 ")
    assert _facts(tmp_path).read("uuid") == Fact("uuid", _UUID, str(tmp_path / "sys/class/dmi/id/product_uuid"))
    assert _value(tmp_path, "serial") == "SN 123"


@pytest.mark.parametrize(
    ("uuid", "serial"),
    [
        ("00000000-0000-0000-0000-000000000000", "To be filled by O.E.M."),
        ("ffffffff-ffff-ffff-ffff-ffffffffffff", "Not Specified"),
        ("03000200-0400-0500-0006-000700080009", "System Serial Number"),
        ("not a uuid", "Default string"),
        ("", "0123456789"),
        ("\0\0", "00000000"),
    ],
)
def test_placeholders_in_firmware_count_as_absent(uuid: str, serial: str, tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(uuid=uuid, serial=serial)
    assert _value(tmp_path, "uuid") is None
    assert _value(tmp_path, "serial") is None


def test_compat_accepts_junk_as_talos_does(tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(uuid="00000000-0000-0000-0000-000000000000", serial="Default string")
    assert _value(tmp_path, "uuid", compat=True) == "00000000-0000-0000-0000-000000000000"
    assert _value(tmp_path, "serial", compat=True) == "Default string"


def test_a_board_without_smbios_has_the_serial_number_of_its_device_tree(tmp_path: Path) -> None:
    FakeMachine(tmp_path).file("sys/firmware/devicetree/base/serial-number", "10000000abcdef01\0")
    assert _value(tmp_path, "serial") == "10000000abcdef01"


def test_the_mac_is_that_of_the_first_physical_ethernet_link_by_name(tmp_path: Path) -> None:
    machine = FakeMachine(tmp_path)
    machine.link("bond0", "02:00:00:00:00:01", physical=False).link("lo", "00:00:00:00:00:00", physical=False, kind=772)
    machine.link("enp2s0", "02:00:00:00:00:03").link("enp10s0", "02:AA:00:00:00:02")
    machine.link("a-wwan", "02:00:00:00:00:05", kind=65534).link("a-dsa", "02:00:00:00:00:06", devtype="dsa")
    machine.link("a-zeros", "00:00:00:00:00:00")
    assert _value(tmp_path, "mac") == "02:aa:00:00:00:02"


def test_a_machine_without_a_physical_link_has_no_mac(tmp_path: Path) -> None:
    assert _value(tmp_path, "mac") is None
    FakeMachine(tmp_path).link("veth0", "02:00:00:00:00:01", physical=False)
    assert _value(tmp_path, "mac") is None


@pytest.mark.parametrize(
    ("cmdline", "file", "text", "expected"),
    [
        ("talos.hostname=node-1.example.com", "etc/hostname", "other", "node-1"),
        ("ip=10.0.0.2:::255.0.0.0:node-2:eth0:off", "etc/hostname", "other", "node-2"),
        ("ip=[2001:db8::2]:::64:node-3:eth0", "etc/hostname", "other", "node-3"),
        ("ip=dhcp", "run/systemd/netif/leases/2", "ADDRESS=10.0.0.2\nHOSTNAME=node-4\n", "node-4"),
        ("", "run/net-eth0.conf", "DEVICE='eth0'\nHOSTNAME='node-5'\n", "node-5"),
        (
            "",
            "var/lib/dhcp/dhclient.leases",
            'lease {\n  option host-name "old";\n}\nlease {\n  option host-name "node-6";\n}\n',
            "node-6",
        ),
        ("", "proc/sys/kernel/hostname", "node-7\n", "node-7"),
        ("", "etc/hostname", "node-8.example.com\n", "node-8"),
        ("talos.hostname=_bad_name-", "etc/hostname", "node-9\n", "node-9"),
    ],
)
def test_the_host_name_comes_from_parameters_then_dhcp_then_the_system(
    cmdline: str, file: str, text: str, expected: str, tmp_path: Path
) -> None:
    FakeMachine(tmp_path).file("proc/sys/kernel/hostname", "(none)\n").file(file, text)
    assert _value(tmp_path, "hostname", cmdline) == expected


def test_a_default_host_name_does_not_count(tmp_path: Path) -> None:
    FakeMachine(tmp_path).file("proc/sys/kernel/hostname", "localhost\n").file("etc/hostname", "localhost.localdomain")
    assert _value(tmp_path, "hostname") is None


def test_the_code_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "code").write_text("7Q-rt\n")
    facts = MachineFacts(tmp_path, parse_cmdline(""), {}, tmp_path / "code")
    assert facts.read("code") == Fact("code", "7Q-rt", str(tmp_path / "code"))
    (tmp_path / "code").write_text("\n")
    assert facts.read("code") is None


def test_a_given_value_overrides_and_is_not_checked(tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(serial="SN1")
    assert _facts(tmp_path, serial="Default string").read("serial") == Fact("serial", "Default string", "--set")
    assert _facts(tmp_path, serial="").look("serial") == Absent("serial", "--set leaves it empty")


def test_an_unsupported_variable_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match='unsupported variable name: "UUID"'):
        _facts(tmp_path, UUID="x")


def test_the_wait_reports_missing_variables_until_all_are_present(tmp_path: Path) -> None:
    FakeMachine(tmp_path).firmware(uuid=_UUID, serial="SN1").link("eth0", "02:00:00:00:00:01")
    lines: list[tuple[str, ...]] = []
    values = _facts(tmp_path).wait_for(["mac", "serial", "uuid", "mac"], time.monotonic() + 60, lines.append)
    assert values == {"mac": "02:00:00:00:00:01", "serial": "SN1", "uuid": _UUID}
    assert lines == [("mac", "serial", "uuid"), ("serial", "uuid")]


def test_a_variable_that_appears_late_is_found(tmp_path: Path) -> None:
    facts = MachineFacts(tmp_path, parse_cmdline(""), {}, tmp_path / "code")
    waiting = threading.Event()

    def write_code() -> None:
        waiting.wait(30)
        (tmp_path / "code.new").write_text("late")
        (tmp_path / "code.new").rename(tmp_path / "code")

    writer = threading.Thread(target=write_code)
    writer.start()
    values = facts.wait_for(["code"], time.monotonic() + 30, lambda _: waiting.set())
    writer.join()
    assert values == {"code": "late"}


_FILES = ("sys/class/dmi/id/product_uuid", "sys/class/dmi/id/product_serial", "etc/hostname", "run/net-eth0.conf")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_FILES), st.binary(max_size=300), st.booleans())
def test_with_arbitrary_files_a_variable_has_a_value_or_a_reason(
    tmp_path: Path, file: str, content: bytes, compat: bool
) -> None:
    FakeMachine(tmp_path).file(file, content).link("eth0", content.hex()[:17])
    for name in VARIABLES:
        found = _facts(tmp_path, compat=compat).look(name)
        assert found.value if isinstance(found, Fact) else found.reason
