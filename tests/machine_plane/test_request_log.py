"""The log of new requests stays readable when thousands arrive at once."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bootgrant.machine_plane.device_authorization import LINES, RequestLog
from bootgrant.wire.identity import MachineIdentity
from support.grants import UUID

pytestmark = pytest.mark.anyio


async def test_a_few_machines_are_logged_with_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    requests = RequestLog()
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        for number in range(3):
            requests.note("g1", MachineIdentity(UUID), f"10.20.0.{number}")
    assert [line.split(" from ")[1] for line in caplog.messages] == ["10.20.0.0", "10.20.0.1", "10.20.0.2"]
    assert all(UUID in line for line in caplog.messages)


async def test_thousands_of_machines_are_counted_and_the_count_is_complete(caplog: pytest.LogCaptureFixture) -> None:
    requests = RequestLog()
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        for number in range(5000):
            requests.note("g1", MachineIdentity(serial=f"SN{number}"), "10.20.0.1")
        async with asyncio.timeout(10):
            while "more new requests" not in caplog.text:
                await asyncio.sleep(0.01)
        requests.note("g1", MachineIdentity(UUID), "10.20.0.2")
    assert len(caplog.messages) == LINES + 2
    assert f"{5000 - LINES} more new requests" in caplog.messages[LINES]
    assert "10.20.0.2" in caplog.messages[-1]


async def test_control_characters_from_a_machine_do_not_reach_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        RequestLog().note("g1", MachineIdentity(hostname="a\x1b[31m\nnew request: b"), "10.20.0.1")
    assert "\x1b" not in caplog.text
    assert len(caplog.messages[0].splitlines()) == 1
