"""The kernel log: one write per record, each with a priority and no longer than the kernel accepts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.acquire.console import Prompt
from bootgrant.acquire.console.kmsg import MAX_RECORD, RECORDS_PER_OPEN, KmsgConsole, Priority, records
from bootgrant.acquire.errors import OutputFailed
from support.screenshot import read_qr, screenshot

URL = "https://idp.example/device?user_code=ABCD-EFGH"


def test_each_level_has_its_priority(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.touch()
    console = KmsgConsole(log, qr="auto")
    console.info("one")
    console.warning("two")
    console.error("three\x1b[m")
    console.close()
    assert log.read_text() == "<6>[talos] one\n<4>[talos] two\n<3>[talos] three\\x1b[m\n"


def test_a_prompt_leaves_space_for_the_time_stamp_of_the_kernel(tmp_path: Path) -> None:
    log = tmp_path / "kmsg"
    log.touch()
    console = KmsgConsole(log, qr="auto")
    console.prompt(Prompt("ABCD-EFGH", "https://idp.example/device", URL, 0.0))
    console.close()
    drawing = [line.removeprefix("<6>") for line in log.read_text().splitlines() if "█" in line]
    assert max(map(len, drawing)) <= 64
    assert read_qr(screenshot(drawing)) == URL


def test_the_log_is_reopened_before_the_kernel_mutes_it(tmp_path: Path) -> None:
    log, first = tmp_path / "kmsg", tmp_path / "first"
    log.touch()
    console = KmsgConsole(log, qr="none")
    for number in range(RECORDS_PER_OPEN):
        console.info(f"line {number}")
    log.rename(first)
    log.touch()
    console.info("the next line")
    console.close()
    assert first.read_text().count("\n") == RECORDS_PER_OPEN < 10
    assert log.read_text() == "<6>[talos] the next line\n"


@given(st.text(max_size=3000))
def test_long_lines_are_split_between_characters(text: str) -> None:
    parts = records(Priority.INFO, text, cut=False)
    assert all(len(part) <= MAX_RECORD and part.startswith(b"<6>") and part.endswith(b"\n") for part in parts)
    assert "".join(part[3:-1].decode() for part in parts) == text


def test_as_in_talos_a_long_line_is_cut() -> None:
    assert records(Priority.ERROR, "a" * 2000, cut=True) == [b"<3>" + b"a" * (MAX_RECORD - 4) + b"\n"]


def test_a_log_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="--console plain"):
        KmsgConsole(tmp_path / "none" / "kmsg", qr="auto")
