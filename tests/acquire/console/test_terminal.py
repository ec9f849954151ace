"""A terminal window: a QR code that fits, and one line that counts down and never wraps."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import pytest

from bootgrant.acquire.console import Prompt, QrChoice, choose_console, choose_medium
from bootgrant.acquire.console.terminal import REST_OF_LINE, TerminalConsole, countdown, time_left
from support.screenshot import read_qr, screenshot

URL = "https://idp.example/device?user_code=ABCD-EFGH"
WAITING = "[talos] [OAuth] waiting for the device to be authorized (expires at 20:00:03)..."


@contextmanager
def window(columns: int, rows: int, encoding: str = "utf-8") -> Iterator[tuple[TextIO, int]]:
    """A terminal of that size: a stream for the program, and a file descriptor for the person."""
    person, program = pty.openpty()
    fcntl.ioctl(program, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    with os.fdopen(program, "w", encoding=encoding) as stream:
        try:
            yield stream, person
        finally:
            os.close(person)


def read_until(person: int, marks: tuple[str, ...]) -> str:
    """Return the output once all of ``marks`` are in it, within ten seconds."""
    seen, deadline = b"", time.monotonic() + 10
    while not all(mark.encode() in seen for mark in marks):
        assert select.select([person], [], [], max(deadline - time.monotonic(), 0))[0], seen
        seen += os.read(person, 65536)
    return seen.decode()


def prompt(url: str = URL, left: float = 600) -> Prompt:
    return Prompt("ABCD-EFGH", "https://idp.example/device", url, time.time() + left)


def screen_for(columns: int, rows: int, *, qr: QrChoice = "auto", encoding: str = "utf-8", url: str = URL) -> list[str]:
    """The lines of one prompt, without the countdown line."""
    with window(columns, rows, encoding) as (stream, person):
        console = TerminalConsole(stream, qr=qr)
        console.prompt(prompt(url))
        text = read_until(person, ("left",))
        console.close()
    return text.replace("\r\n", "\n").split("\n")[:-1]


@pytest.mark.parametrize(
    ("columns", "rows", "encoding"), [(80, 24, "utf-8"), (40, 22, "utf-8"), (200, 60, "utf-8"), (80, 42, "ascii")]
)
def test_the_code_fits_the_window_and_can_be_read(columns: int, rows: int, encoding: str) -> None:
    lines = screen_for(columns, rows, encoding=encoding)
    drawing = [line for line in lines if line.startswith("\x1b[97;40m")]
    assert read_qr(screenshot(drawing)) == URL
    assert sum(1 if line in drawing else -(-len(line) // columns) for line in lines) + 1 <= rows


def test_a_notice_replaces_a_qr_code_too_large_for_the_window() -> None:
    lines = screen_for(80, 12)
    assert lines[1:] == ["[talos] [OAuth] no QR code: it needs 16 lines below the text, and this console has fewer"]


def test_the_last_line_counts_down_until_the_code_expires() -> None:
    with window(120, 40) as (stream, person):
        console = choose_console("terminal", stream, qr="none")
        console.prompt(prompt(left=599.9))
        read_until(person, (f"\r{'[talos] [OAuth] waiting'}", "9:59 left", "9:58 left", "9:57 left"))
        console.close()


def test_messages_go_above_the_countdown_and_it_ends_as_a_plain_line() -> None:
    with window(120, 40) as (stream, person):
        console = TerminalConsole(stream, qr="none", now=lambda: 0.0, monotonic=lambda: 0.0)
        console.prompt(Prompt("A", "https://idp.example", "", 72003))
        console.info("retrying")
        console.prompt_over()
        console.info("[OAuth] device authorized")
        text = read_until(person, ("device authorized",))
    redrawn = f"\r{WAITING} 20:00:03 left{REST_OF_LINE}"
    assert text.partition("code A\r\n")[2] == (
        f"{redrawn}\r{REST_OF_LINE}[talos] retrying\r\n{redrawn}"
        f"\r{REST_OF_LINE}{WAITING}\r\n[talos] [OAuth] device authorized\r\n"
    )


def test_a_second_prompt_replaces_the_first() -> None:
    with window(120, 40) as (stream, person):
        console = TerminalConsole(stream, qr="none")
        console.prompt(prompt(left=5.5))
        console.prompt(prompt(left=900.5))
        text = read_until(person, ("15:00 left", "14:59 left"))
        console.close()
    assert "0:04 left" not in text


@pytest.mark.parametrize("columns", [10, 40, 79, 200])
def test_the_countdown_never_wraps(columns: int) -> None:
    line = countdown(WAITING, 581.2, columns)
    assert len(line) <= columns
    assert line.endswith("9:41 left"[-columns:]) or columns < 10


@pytest.mark.parametrize(
    ("seconds", "text"), [(581.9, "9:41 left"), (3723, "1:02:03 left"), (0.4, "expired"), (-7, "expired")]
)
def test_the_time_left_is_short(seconds: float, text: str) -> None:
    assert time_left(seconds) == text


def test_auto_chooses_terminal_for_a_window_and_plain_for_a_serial_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A serial line is a terminal of unknown size."""
    monkeypatch.setenv("TERM", "xterm")
    with window(80, 24) as (stream, _), window(0, 0) as (serial, _):
        assert choose_medium("auto", stream, compat=False) == "terminal"
        assert choose_medium("auto", stream, compat=True) == "plain"
        assert choose_medium("auto", serial, compat=False) == "plain"


def test_on_a_narrow_screen_the_time_left_replaces_the_time_of_day() -> None:
    line = countdown(WAITING, 597.0, 79)
    assert line.endswith("authorized 9:57 left")
    assert "expires" not in line
