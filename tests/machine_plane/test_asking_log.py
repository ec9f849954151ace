"""The log of who asks stays readable when thousands ask."""

from __future__ import annotations

import asyncio
import logging

import pytest

from bootgrant.machine_plane.asking_log import LINES, AskingLog
from bootgrant.wire.identity import MachineIdentity
from support.grants import UUID

pytestmark = pytest.mark.anyio


async def test_a_few_machines_have_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    asking = AskingLog()
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        for number in range(3):
            asking.note("g1", MachineIdentity(UUID), f"10.20.0.{number}")
    assert [line.split(" from ")[1] for line in caplog.messages] == ["10.20.0.0", "10.20.0.1", "10.20.0.2"]
    assert all(UUID in line for line in caplog.messages)


async def test_of_thousands_most_are_counted_and_none_is_left_out_of_the_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    asking = AskingLog()
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        for number in range(5000):
            asking.note("g1", MachineIdentity(serial=f"SN{number}"), "10.20.0.1")
        async with asyncio.timeout(10):
            while "more machines" not in caplog.text:
                await asyncio.sleep(0.01)
        asking.note("g1", MachineIdentity(UUID), "10.20.0.2")
    assert len(caplog.messages) == LINES + 2
    assert f"{5000 - LINES} more machines" in caplog.messages[LINES]
    assert "10.20.0.2" in caplog.messages[-1]


async def test_control_characters_of_a_machine_do_not_reach_the_terminal(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "bootgrant.machines"):
        AskingLog().note("g1", MachineIdentity(hostname="a\x1b[31m\nasks: b"), "10.20.0.1")
    assert "\x1b" not in caplog.text
    assert len(caplog.messages[0].splitlines()) == 1
