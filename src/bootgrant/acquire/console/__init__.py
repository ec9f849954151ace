"""What the machine shows while it asks: the seam between the driver and the screen, the serial line or a log.

``choose_console`` picks the medium; each medium is a module of its own and is imported only when it is used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TextIO

ConsoleKind = Literal["auto", "terminal", "plain", "kmsg", "json"]
QrChoice = Literal["auto", "half", "full", "ascii", "none"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A code that waits for a person (RFC 8628 section 3.2). Texts come from the provider: hostile until escaped.

    ``verification_uri_complete`` is empty when the provider gives none; ``expires_at`` is Unix time in seconds,
    None when the provider names no limit.
    """

    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_at: float | None


class Console(Protocol):
    """Where messages go. Lines come without the ``[talos] `` prefix; the console adds what its medium needs."""

    def info(self, line: str) -> None:
        """One step that was taken."""

    def warning(self, line: str) -> None:
        """Something that works now and may not later, or that is being tried again."""

    def error(self, line: str) -> None:
        """The one line that ends the program."""

    def prompt(self, prompt: Prompt) -> None:
        """Show the code (and the QR code), and begin to count down where the medium can."""

    def prompt_over(self) -> None:
        """The code shown last is used, refused or expired; stop counting. Harmless without a prompt."""

    def close(self) -> None:
        """Leave the medium as it was found."""


def choose_console(kind: ConsoleKind, stream: TextIO, *, qr: QrChoice, compat: bool = False) -> Console:
    """The console for ``stream`` (usually standard error); ``auto`` looks at what the stream is.

    A screen or a terminal window gets a countdown and a QR code of its size; ``/dev/kmsg`` gets records with a
    priority; anything else (a serial line, a pipe, a file) gets plain lines. ``compat`` writes plain lines exactly as
    Talos does, unless JSON or kmsg is asked for. ``kmsg`` writes to ``/dev/kmsg`` itself; raises OutputFailed where
    that cannot be opened.
    """
    from bootgrant.acquire.console import medium

    chosen = medium.resolve(kind, stream, compat=compat)
    if chosen == "json":
        from bootgrant.acquire.console.json_log import JsonConsole

        return JsonConsole(stream)
    if chosen == "kmsg":
        from bootgrant.acquire.console.kmsg import KmsgConsole

        return KmsgConsole(medium.KMSG, qr=qr, compat=compat)
    if chosen == "terminal":
        from bootgrant.acquire.console.terminal import TerminalConsole

        return TerminalConsole(stream, qr=qr)
    from bootgrant.acquire.console.plain import PlainConsole

    return PlainConsole(stream, qr=qr, compat=compat)
