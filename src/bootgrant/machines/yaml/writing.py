"""Write YAML the way Talos does: go-yaml's layout with an indent of 4.

Lists in a mapping are indented by 4, in a list item by 2. Lines are never folded. A text is quoted only where a reader
could mistake it for something else. Where go-yaml writes a block that does not read back as the same text, the text is
quoted here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Final, TypeAlias

from bootgrant.machines.yaml.scalars import float_text, looks_different_to_yaml_1_1, plain_value


@dataclass(frozen=True, slots=True)
class Plain:
    """A scalar written exactly as ``text``."""

    text: str


@dataclass(frozen=True, slots=True)
class Unguarded:
    """A text that is not quoted for the sake of YAML 1.1 readers: ``yes`` is written without quotes."""

    text: str


Written: TypeAlias = "str | int | float | bool | Plain | Unguarded | list[Written] | dict[str, Written] | None"

_INDENT: Final = 4
_LONGEST_KEY: Final = 128
# Everything outside these ranges has to be escaped in quotes.
_SPECIAL: Final = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_NEEDS_QUOTES: Final = re.compile(r"""^(?:[,\[\]{}#&*!|>'"%@`]|[-?:](?: |$)|---|\.\.\.| )|: | #|[: ]$""")
_UNFIT_FOR_BLOCK: Final = re.compile(
    "[^\n\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[ \t](?:\n|$)|(?:^|\n) *\t"
)
_ESCAPES: Final = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r",
    "\x1b": "\\e", "\x85": "\\N", "\u2028": "\\L", "\u2029": "\\P", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_ESCAPED: Final = re.compile('["\\\\\n]|' + _SPECIAL.pattern)


def write_documents(documents: Iterable[Written]) -> bytes:
    """Return the documents as one text, separated by ``---``."""
    return "---\n".join(_document(document) for document in documents).encode("utf-8")


def _document(value: Written) -> str:
    lines: list[str] = []
    if isinstance(value, dict) and value:
        _mapping(lines, value, 0, "")
    elif isinstance(value, list) and value:
        _list(lines, value, 0, "")
    else:
        lines.append(_scalar(value, 0, _INDENT))
    return "\n".join(lines) + "\n"


def _mapping(lines: list[str], value: dict[str, Written], indent: int, first: str) -> None:
    """Append a mapping. ``first`` replaces the indent of its first line: the dashes of the list items around it."""
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
            lines.append(f"{lead} {_scalar(item, indent, _deeper(indent))}")
        start = " " * indent


def _list(lines: list[str], value: list[Written], indent: int, first: str) -> None:
    start = first or " " * indent
    for item in value:
        if isinstance(item, dict) and item:
            _mapping(lines, item, indent + 2, f"{start}- ")
        elif isinstance(item, list) and item:
            _list(lines, item, indent + 2, f"{start}- ")
        else:
            lines.append(f"{start}- {_scalar(item, indent, indent + 2)}")
        start = " " * indent


def _deeper(indent: int) -> int:
    """Return the next column that is a multiple of the indent."""
    return (indent // _INDENT + 1) * _INDENT


def _key(key: str, indent: int) -> str:
    shown = _quoted(key) if "\n" in key else _text(key, indent, indent)
    return f"? {shown}\n{' ' * indent}" if len(key) > _LONGEST_KEY else shown


def _scalar(value: Written, indent: int, column: int) -> str:
    """Return a scalar in a collection with this indent; the lines of a block begin in this column."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case str():
            return _text(value, indent, column)
        case int():
            return str(value)
        case float():
            return float_text(value)
        case Plain():
            return value.text
        case Unguarded():
            return _text(value.text, indent, column, guarded=False)
        case list():
            return "[]"
        case dict():
            return "{}"


def _text(text: str, indent: int, column: int, *, guarded: bool = True) -> str:
    if "\n" in text:
        return _quoted(text) if _UNFIT_FOR_BLOCK.search(text) or not text.strip("\n") else _block(text, indent, column)
    if not isinstance(plain_value(text), str) or _SPECIAL.search(text):
        return _quoted(text)
    if _NEEDS_QUOTES.search(text) or text == "<<" or (guarded and looks_different_to_yaml_1_1(text)):
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


def _block(text: str, indent: int, column: int) -> str:
    """Return a literal block. Its indent is written out, relative to the parent, if the text begins with a blank."""
    hint = str(column - indent) if text[0] in " \n" else ""
    ends = "-" if not text.endswith("\n") else "+" if text.endswith("\n\n") else ""
    body = text.removesuffix("\n")
    margin = " " * column
    return f"|{hint}{ends}\n" + "\n".join(margin + line if line else "" for line in body.split("\n"))


def natural_order(keys: Collection[str]) -> list[str]:
    """Return keys in the order in which go-yaml writes them: ``a9`` before ``a10``, letters after everything else."""
    if all(map(str.isalpha, keys)):
        # Most keys are names of fields, which have only letters: these are in the order of their code points.
        return sorted(keys)
    return sorted(keys, key=cmp_to_key(compare_keys))


def compare_keys(left: str, right: str) -> int:
    """Return a negative number when ``left`` comes first, a positive one when ``right`` does, 0 for equal keys."""
    if left == right:
        return 0
    at = next((index for index, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), None)
    if at is None:
        return len(left) - len(right)
    one, other = left[at], right[at]
    if one.isalpha() and other.isalpha():
        return -1 if one < other else 1
    if one.isalpha() or other.isalpha():
        # After a digit the letter comes first ("a1b" before "a1-"), elsewhere it comes last.
        letter_first = at > 0 and left[at - 1].isdigit()
        return -1 if one.isalpha() == letter_first else 1
    return _compare_digits(left, right, at)


def _compare_digits(left: str, right: str, at: int) -> int:
    """Compare by the numbers at ``at``, then by where they end, then by character. Neither key has a letter there."""
    continues = "0" in (left[at], right[at]) and _continues_a_number(left, at)
    one, one_end = _digits(left, at, continues)
    other, other_end = _digits(right, at, continues)
    if one != other:
        return -1 if (len(one), one) < (len(other), other) else 1
    if one_end != other_end:
        return -1 if one_end < other_end else 1
    return -1 if left[at] < right[at] else 1


def _continues_a_number(text: str, at: int) -> bool:
    """Whether the digits before ``at`` contain one that is not zero."""
    while at > 0 and text[at - 1].isdecimal():
        at -= 1
        if text[at] != "0":
            return True
    return False


def _digits(text: str, at: int, continues: bool) -> tuple[str, int]:
    """Return the digits from ``at``, without leading zeros unless they continue a number, and where they end."""
    end = at
    while end < len(text) and text[end].isdecimal():
        end += 1
    return text[at:end] if continues else text[at:end].lstrip("0"), end
