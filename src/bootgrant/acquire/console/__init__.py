"""What the machine shows while it asks: the seam between the driver and the screen, the serial line or a log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


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
