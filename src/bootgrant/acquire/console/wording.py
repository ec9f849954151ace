"""The lines around a prompt, word for word as Talos prints them (``platform/metal/oauth2/oauth2.go``), and escaping.

Everything that Python does not consider printable is escaped (control and format characters, line separators, spaces
other than U+0020), so that a provider's text cannot move the cursor, or hide or reorder what is shown.
"""

from __future__ import annotations

from typing import Final

from bootgrant.acquire.console import Prompt

PREFIX: Final = "[talos] "
SCAN: Final = "[OAuth] or scan the following QR code:"
MAX_PROVIDER_TEXT: Final = 400
"""Characters of a provider's text in one line. Talos has no limit; a long text would fill a serial console."""


def visit(prompt: Prompt) -> str:
    """Where to go and which code to enter."""
    address, code = escape(shorten(prompt.verification_uri)), escape(shorten(prompt.user_code))
    return f"[OAuth] please visit the URL {address} and enter the code {code}"


def waiting(prompt: Prompt, *, compat: bool = False) -> str:
    """When the code expires, in UTC. For a code without expiry Talos prints midnight, and so does ``compat``."""
    if prompt.expires_at is None:
        return f"[OAuth] waiting for the device to be authorized{' (expires at 00:00:00)' if compat else ''}..."
    # Arithmetic instead of a calendar: a provider may send a year that Python's calendar cannot represent.
    seconds = int(prompt.expires_at) % 86400
    time = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"[OAuth] waiting for the device to be authorized (expires at {time})..."


def escape(text: str) -> str:
    """Replace each unsafe character with ``\\n``, ``\\t``, ``\\r``, ``\\x1b``, ``\\u202e`` or ``\\U000e0001``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def escape_but_tabs(line: str) -> str:
    """``escape``, with tabs kept: Talos indents the lines of an error with them."""
    return "\t".join(escape(part) for part in line.split("\t"))


def shorten(text: str) -> str:
    """Cut ``text`` to MAX_PROVIDER_TEXT characters and mark the cut with an ellipsis."""
    return text if len(text) <= MAX_PROVIDER_TEXT else text[: MAX_PROVIDER_TEXT - 1] + "…"


def _escaped(character: str) -> str:
    point = ord(character)
    if named := {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character):
        return named
    if point < 0x100:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"
