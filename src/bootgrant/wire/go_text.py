"""Text as Go prints and reads it: ``%q`` and ``strings.TrimSpace``, because Talos's messages and rules are Go's."""

from __future__ import annotations

# Unicode White_Space, which is what Go's strings.Fields and strings.TrimSpace use. Python's str.split() would also
# split at U+001C to U+001F, which Go keeps.
WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"

_NAMED = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def trim_space(text: str) -> str:
    """``strings.TrimSpace``: Unicode White_Space cut from both ends."""
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
    """``strconv.Quote`` (``%q``): printable characters stay, the rest is escaped, so that a console shows no control
    sequence. Surrogate escapes (bytes that were not UTF-8) come out as ``\\xNN``.
    """
    return '"' + "".join(map(_quoted, text)) + '"'


def printable(text: str) -> str:
    """``quote`` without quotes around and without escaping those inside: for text with a place of its own."""
    return "".join(char if char in {'"', "\\"} else _quoted(char) for char in text)


def quote_list(texts: tuple[str, ...]) -> str:
    """``%q`` of a slice of strings: ``["uuid" "mac"]``, ``[]`` when empty."""
    return "[" + " ".join(map(quote, texts)) + "]"
