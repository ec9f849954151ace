"""Where messages and the code appear: a screen, a serial line, the kernel log or a JSON log."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TextIO

from bootgrant.acquire.clock import Clock

ConsoleKind = Literal["auto", "terminal", "plain", "kmsg", "json"]
QrChoice = Literal["auto", "half", "full", "ascii", "none"]
Medium = Literal["terminal", "plain", "kmsg", "json"]

KMSG: Final = Path("/dev/kmsg")
_KMSG_DEVICE: Final = os.makedev(1, 11)
_ACTIVE_CONSOLES: Final = Path("/sys/class/tty/console/active")
_REPEAT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Prompt:
    """A code for a person to approve (RFC 8628 section 3.2). The provider wrote the texts: escape them before display.

    ``verification_uri_complete`` is empty when the provider sent none. ``expires_at`` is Unix time in seconds, or None
    when the provider set no limit.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_at: float | None


class Console(Protocol):
    """Where messages go. Lines come without the ``[talos] `` prefix; each console adds what its medium needs."""

    def info(self, line: str) -> None:
        """Report a step."""

    def warning(self, line: str) -> None:
        """Report a problem that does not end the program."""

    def error(self, line: str) -> None:
        """Report the error that ends the program."""

    def prompt(self, prompt: Prompt) -> None:
        """Show the code and its QR code, and start the countdown if the medium can show one."""

    def prompt_over(self) -> None:
        """Stop the countdown: the code is used, refused or expired. Does nothing without a prompt."""

    def close(self) -> None:
        """Restore the medium to how it was found."""


class RepeatedWarning:
    """Warns about a problem when it is new, and then once a minute while it lasts."""

    def __init__(self, console: Console, clock: Clock) -> None:
        self._console = console
        self._clock = clock
        self._problem = ""
        self._warned_at = 0.0

    def warn(self, problem: str, line: str) -> None:
        """Write ``line``, unless the same ``problem`` was reported less than a minute ago."""
        now = self._clock.steady()
        if problem != self._problem or now - self._warned_at >= _REPEAT_SECONDS:
            self._problem, self._warned_at = problem, now
            self._console.warning(line)

    def reset(self) -> None:
        """Treat the next problem as new."""
        self._problem = ""


def choose_console(kind: ConsoleKind, stream: TextIO, *, qr: QrChoice, compat: bool = False) -> Console:
    """Return the console for ``stream`` (usually standard error); ``auto`` depends on what the stream is connected to.

    A screen gets a countdown and a QR code that fits, anything else plain lines, which ``compat`` writes as Talos does.
    ``kmsg`` opens ``/dev/kmsg`` itself and raises OutputFailed if it cannot.
    """
    chosen = choose_medium(kind, stream, compat=compat)
    if chosen == "kmsg":
        from bootgrant.acquire.console.kmsg import KmsgConsole

        return KmsgConsole(KMSG, qr=qr, compat=compat)
    if chosen == "terminal":
        from bootgrant.acquire.console.terminal import TerminalConsole

        return TerminalConsole(stream, qr=qr)
    from bootgrant.acquire.console.lines import JsonConsole, PlainConsole

    return JsonConsole(stream) if chosen == "json" else PlainConsole(stream, qr=qr, compat=compat)


def choose_medium(kind: ConsoleKind, stream: TextIO, *, compat: bool) -> Medium:
    """Resolve ``auto``; under ``compat``, ``terminal`` becomes ``plain``, because Talos draws no countdown."""
    if kind in ("kmsg", "json", "plain"):
        return kind
    if kind == "auto" and _is_kmsg(stream):
        return "kmsg"
    if compat:
        return "plain"
    return "terminal" if kind == "terminal" or _is_screen(stream) else "plain"


def window_size(stream: TextIO) -> tuple[int, int] | None:
    """Return columns and rows, or None if ``stream`` is not a terminal of known size (a serial line reports 0 x 0)."""
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return None
    return (size.columns, size.lines) if size.columns > 0 and size.lines > 0 else None


def _is_kmsg(stream: TextIO) -> bool:
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == _KMSG_DEVICE


def _is_screen(stream: TextIO) -> bool:
    """Whether lines can be rewritten: a terminal window or a Linux virtual console of known size, not a serial line."""
    if os.environ.get("TERM", "dumb") in ("", "dumb") or window_size(stream) is None:
        return False
    try:
        name = os.ttyname(stream.fileno())
    except OSError:
        return False
    if name == "/dev/console":
        name = _active_console()
    return name.startswith("/dev/pts/") or name.removeprefix("/dev/tty").isdigit()


def _active_console() -> str:
    """The device that /dev/console writes to: the last of the kernel's active consoles."""
    try:
        active = _ACTIVE_CONSOLES.read_text().split()
    except OSError:
        return "/dev/console"
    return f"/dev/{active[-1]}" if active else "/dev/console"
