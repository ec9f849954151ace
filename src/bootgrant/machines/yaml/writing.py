"""Configurations as Talos writes them: go-yaml's layout with an indent of 4.

A list inside of a mapping is indented, inside of a list item by 2; nothing is folded; texts have quotes only where a
reader could take them for something else. Where go-yaml writes a block that does not read back to the same text, this
writes the text in quotes: nothing is lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from bootgrant.machines.yaml.scalars import float_text, plain_value, tempts_old_readers


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar that is written just so."""

    text: str


@dataclass(frozen=True, slots=True)
class Unguarded:
    """A text that is not guarded against readers of YAML 1.1: ``yes`` stands without quotes."""

    text: str


Written: TypeAlias = "str | int | float | bool | Plain | Unguarded | list[Written] | dict[str, Written] | None"

_INDENT: Final = 4
_LONGEST_KEY: Final = 128
# What may stand in a text without quotes; all else, and a tab, needs an escape.
_SPECIAL: Final = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_NEEDS_QUOTES: Final = re.compile(r"""^(?:[,\[\]{}#&*!|>'"%@`]|[-?:](?: |$)|---|\.\.\.| )|: | #|[: ]$""")
_UNFIT_FOR_BLOCK: Final = re.compile(
    "[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[ \t](?:\n|$)|(?:^|\n) *\t"
)
_ESCAPES: Final = {
    "\0": "\\0",
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\e",
    "\x85": "\\N",
    "\u2028": "\\L",
    "\u2029": "\\P",
    '"': '\\"',
    "\\": "\\\\",
}
_ESCAPED: Final = re.compile('["\\\\\n]|' + _SPECIAL.pattern)


def write_documents(documents: Iterable[Written]) -> bytes:
    """The documents as one text, ``---`` between them."""
    return "---\n".join(_document(document) for document in documents).encode("utf-8")


def _document(value: Written) -> str:
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _mapping(lines, value, 0, "")
    elif isinstance(value, list) and value:
        _list(lines, value, 0, "")
    else:
        lines.append(_scalar(value, 0))
    return "\n".join(lines) + "\n"


def _mapping(lines: list[str], value: dict[str, Written], indent: int, first: str) -> None:
    """``first`` is what the first line begins with instead of blanks: the dashes of the list items around it."""
    start = first or " " * indent
    for key, item in value.items():
        lead = f"{start}{_key(key, indent)}:"
        if isinstance(item, dict) and item:
            lines.append(lead)
            _mapping(lines, item, _deeper(indent), "")
        elif isinstance(item, list) and item:
            lines.append(lead)
            _list(lines, item, _deeper(indent), "")
        else:
            lines.append(f"{lead} {_scalar(item, indent)}")
        start = " " * indent


def _list(lines: list[str], value: list[Written], indent: int, first: str) -> None:
    start = first or " " * indent
    for item in value:
        if isinstance(item, dict) and item:
            _mapping(lines, item, indent + 2, f"{start}- ")
        elif isinstance(item, list) and item:
            _list(lines, item, indent + 2, f"{start}- ")
        else:
            lines.append(f"{start}- {_scalar(item, indent)}")
        start = " " * indent


def _deeper(indent: int) -> int:
    """The next column that is a multiple of the indent."""
    return (indent // _INDENT + 1) * _INDENT


def _key(key: str, indent: int) -> str:
    shown = _quoted(key) if "\n" in key else _text(key, indent)
    return f"? {shown}\n{' ' * indent}" if len(key) > _LONGEST_KEY else shown


def _scalar(value: Written, indent: int) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case str():
            return _text(value, indent)
        case int():
            return str(value)
        case float():
            return float_text(value)
        case Plain():
            return value.text
        case Unguarded():
            return _text(value.text, indent, guarded=False)
        case list():
            return "[]"
        case dict():
            return "{}"


def _text(text: str, indent: int, *, guarded: bool = True) -> str:
    if "\n" in text:
        return _quoted(text) if _UNFIT_FOR_BLOCK.search(text) or not text.strip("\n") else _block(text, indent)
    if not isinstance(plain_value(text), str) or _SPECIAL.search(text):
        return _quoted(text)
    if _NEEDS_QUOTES.search(text) or text == "<<" or (guarded and tempts_old_readers(text)):
        return "'" + text.replace("'", "''") + "'"
    return text


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    if char in _ESCAPES:
        return _ESCAPES[char]
    point = ord(char)
    return f"\\x{point:02X}" if point < 0x100 else f"\\u{point:04X}" if point < 0x10000 else f"\\U{point:08X}"


def _block(text: str, indent: int) -> str:
    """A literal block. Its indent is said where the text begins with a blank, counted from the node around it."""
    column = _deeper(indent)
    hint = str(column - indent) if text[0] in " \n" else ""
    ends = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") else ""
    body = text.removesuffix("\n")
    margin = " " * column
    return f"|{hint}{ends}\n" + "\n".join(margin + line if line else "" for line in body.split("\n"))
