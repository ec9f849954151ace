"""Text as Go prints and reads it (``%q``, ``strings.TrimSpace``), because Talos is written in Go."""

from __future__ import annotations

# Unicode White_Space, as in Go's strings.Fields and strings.TrimSpace. Python's str.split() also splits at U+001C to
# U+001F, which Go keeps.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def trim_space(text: str) -> str:
    """``strings.TrimSpace``: remove Unicode White_Space from both ends."""
    return text.strip(WHITE_SPACE)


def _quoted(char: str) -> str:
    point = ord(char)
    if char in {'"', "\\"}:
        return "\\" + char
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= point <= 0xDCFF:
        return f"\\x{point - 0xDC00:02x}"
    if point < 0x20 or point == 0x7F:
        return f"\\x{point:02x}"
    if char.isprintable():
        return char
    return f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def quote(text: str) -> str:
    """``strconv.Quote`` (``%q``): escape all but printable characters, so that a console shows no control sequence.

    Surrogate escapes (bytes that were not UTF-8) become ``\\xNN``.
    """
    return '"' + "".join(map(_quoted, text)) + '"'


def printable(text: str) -> str:
    """``quote`` without surrounding quotes and without escaping quotes, for a text that stands apart."""
    return "".join(char if char in {'"', "\\"} else _quoted(char) for char in text)


def quote_list(texts: tuple[str, ...]) -> str:
    """``%q`` of a slice of strings: ``["uuid" "mac"]``, or ``[]``."""
    return "[" + " ".join(map(quote, texts)) + "]"
