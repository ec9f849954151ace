"""Text of others made harmless for a console: nothing that moves the cursor, hides or reorders what is shown.

What Python calls not printable is escaped: control characters (C0, DEL, C1), format characters (bidirectional
overrides, zero-width ones), line separators, spaces other than the plain one, surrogates, unassigned code points.
"""

from __future__ import annotations

# A provider's text in one line of the console. Talos prints any length; a code or a URL that a person types is short,
# and a longer one would push the rest off a serial console.
MAX_PROVIDER_TEXT = 400


def escape(text: str) -> str:
    """``text`` with each unsafe character as ``\\n``, ``\\t``, ``\\r``, ``\\x1b``, ``\\u202e`` or ``\\U000e0001``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def shorten(text: str) -> str:
    """``text`` cut to MAX_PROVIDER_TEXT characters, with an ellipsis where it was cut."""
    return text if len(text) <= MAX_PROVIDER_TEXT else text[: MAX_PROVIDER_TEXT - 1] + "…"


def _escaped(character: str) -> str:
    return {"\n": "\\n", "\t": "\\t", "\r": "\\r"}.get(character) or _numeric(ord(character))


def _numeric(code_point: int) -> str:
    if code_point < 0x100:
        return f"\\x{code_point:02x}"
    return f"\\u{code_point:04x}" if code_point < 0x10000 else f"\\U{code_point:08x}"
