"""What a stream is connected to: a screen that can be drawn on, the kernel log, or something that takes lines."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Literal, TextIO

from bootgrant.acquire.console import ConsoleKind

Medium = Literal["terminal", "plain", "kmsg", "json"]

KMSG = Path("/dev/kmsg")
KMSG_DEVICE = os.makedev(1, 11)
ACTIVE_CONSOLES = Path("/sys/class/tty/console/active")


def resolve(kind: ConsoleKind, stream: TextIO, *, compat: bool) -> Medium:
    """The medium for a choice; ``auto`` and, under ``compat``, ``terminal`` are decided here."""
    if kind in ("kmsg", "json", "plain"):
        return kind
    if compat:
        return "kmsg" if kind == "auto" and is_kmsg(stream) else "plain"
    if kind == "terminal":
        return "terminal"
    if is_kmsg(stream):
        return "kmsg"
    return "terminal" if is_screen(stream) else "plain"


def is_kmsg(stream: TextIO) -> bool:
    """Whether the stream is the kernel log (character device 1:11)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == KMSG_DEVICE


def is_screen(stream: TextIO) -> bool:
    """Whether lines on the stream can be rewritten: a terminal window or a Linux virtual console of known size.

    A serial line is a terminal too, but what it ends at is unknown (often a log), so it counts as plain.
    """
    if os.environ.get("TERM", "dumb") in ("", "dumb") or window_size(stream) is None:
        return False
    try:
        name = os.ttyname(stream.fileno())
    except OSError:
        return False
    if name == "/dev/console":
        name = _behind_dev_console()
    return name.startswith("/dev/pts/") or name.removeprefix("/dev/tty").isdigit()


def window_size(stream: TextIO) -> tuple[int, int] | None:
    """Columns and rows, None when the stream is no terminal or its size is not known (a serial line says 0 x 0)."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return None
    return (size.columns, size.lines) if size.columns > 0 and size.lines > 0 else None


def _behind_dev_console() -> str:
    """The device that /dev/console writes to: the last of the kernel's active consoles."""
    try:
        active = ACTIVE_CONSOLES.read_text().split()
    except OSError:
        return "/dev/console"
    return f"/dev/{active[-1]}" if active else "/dev/console"
