"""Netlink messages are parsed, and a wait ends with the kernel's event."""

from __future__ import annotations

import ipaddress
import socket
import struct
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.facts.network import addresses, parse_address, parse_messages, wait_for_address
from support.parts import program


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _address_message(*attributes: bytes, flags: int = 0) -> bytes:
    return struct.pack("=BBBBI", socket.AF_INET, 24, flags, 0, 2) + b"".join(attributes)


_TEN = _attribute(1, bytes([10, 0, 0, 9])), _attribute(2, bytes([10, 0, 0, 1]))


def test_the_local_address_counts_and_not_the_peer() -> None:
    assert parse_address(_address_message(*_TEN)) == ipaddress.ip_address("10.0.0.1")


@pytest.mark.parametrize("flags", [0x40, 0x08])
def test_an_address_that_is_not_ready_or_a_duplicate_does_not_count(flags: int) -> None:
    assert parse_address(_address_message(*_TEN, flags=flags)) is None
    assert parse_address(_address_message(*_TEN, _attribute(8, struct.pack("=I", flags)))) is None


@given(st.binary())
def test_arbitrary_bytes_of_the_kernel_are_parsed(content: bytes) -> None:
    for _, body in parse_messages(content):
        parse_address(body)
    parse_address(content)


def test_this_machine_has_its_loopback_address() -> None:
    assert any(address.is_loopback for address in addresses())


def test_a_server_on_this_machine_needs_no_network() -> None:
    wait_for_address(time.monotonic(), ["127.0.0.1", "localhost", "::1", "a.localhost."])


def _in_own_network(code: str) -> str:
    """Run Python in its own network namespace, which has only a loopback link that is down."""
    unshare = program("unshare", "util-linux")
    start = "import subprocess, threading, time\nfrom bootgrant.acquire.facts.network import wait_for_address\n"
    command = [str(unshare), "--user", "--map-root-user", "--net", sys.executable, "-c", start + code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    if "unshare failed" in done.stderr:
        pytest.skip(f"this kernel gives no network namespaces: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_an_address_the_wait_ends_with_advice() -> None:
    shown = _in_own_network(
        "from bootgrant.acquire.errors import TimedOut\n"
        "try: wait_for_address(time.monotonic() + 0.1, ['10.0.0.1'])\n"
        "except TimedOut as error: print(error)"
    )
    assert shown == "this machine got no network address in time: check cable, switch port and DHCP\n"


_ADD = "subprocess.run(['ip', 'address', 'add', {address!r}, 'dev', 'lo'], check=True)\n"


def test_a_new_address_ends_the_wait() -> None:
    program("ip", "iproute2")
    shown = _in_own_network(
        "waiter = threading.Thread(target=wait_for_address, args=(time.monotonic() + 50, ['10.0.0.9']))\n"
        "waiter.start()\n" + _ADD.format(address="10.0.0.1/32") + "waiter.join()\nprint('up')"
    )
    assert shown == "up\n"


def test_a_change_of_the_network_ends_the_wait() -> None:
    program("ip", "iproute2")
    shown = _in_own_network(
        "from bootgrant.acquire.facts.network import Events, Topic\n"
        "with Events(Topic.NETWORK) as events:\n"
        "    print(events.wait(0))\n    "
        + _ADD.format(address="10.0.0.1/32")
        + "    print(events.wait(50), events.wait(0))"
    )
    assert shown == "False\nTrue False\n"


def test_a_link_local_address_is_enough_for_a_server_in_its_zone_only() -> None:
    program("ip", "iproute2")
    shown = _in_own_network(
        _ADD.format(address="169.254.0.1/32") + "from bootgrant.acquire.errors import TimedOut\n"
        "wait_for_address(time.monotonic(), ['fe80::1%lo'])\n"
        "try: wait_for_address(time.monotonic(), ['10.0.0.9'])\n"
        "except TimedOut: print('not for another')"
    )
    assert shown == "not for another\n"
