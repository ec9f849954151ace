"""JSON as Go's ``encoding/json`` reads it, with its words for what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from bootgrant.wire.go_text import quote

_SPACE: Final = b" \t\r\n"
_LITERALS: Final = {ord("t"): b"true", ord("f"): b"false", ord("n"): b"null"}
_KINDS: Final = {str: "string", bool: "bool", list: "array", dict: "object"}
_INTEGER: Final = re.compile(r"-?[0-9]{1,4000}")
_MAX_DEPTH: Final = 200
"""Go stops at 10,000; no provider nests its answer."""


class GoJsonError(ValueError):
    """What Go says of it."""


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def unmarshal_object(content: bytes) -> Mapping[str, Any]:
    """The members of a JSON object by lower-case name, as Go matches them; ``null`` members are absent.

    Raises GoJsonError.
    """
    _check(content)
    text = content.decode("utf-8", "replace")
    value = json.loads(text, parse_int=Number, parse_float=Number)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go value of type struct")
    return {key.lower(): member for key, member in value.items() if member is not None}


def string_field(members: Mapping[str, Any], struct: str, name: str) -> str:
    """A text, empty when absent. Raises GoJsonError for another type."""
    value = members.get(name, "")
    if not isinstance(value, str) or isinstance(value, Number):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go struct field {struct}.{name} of type string")
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def integer_field(members: Mapping[str, Any], struct: str, name: str) -> int:
    """A 64-bit integer, 0 when absent. Raises GoJsonError for another type, a fraction or an exponent."""
    value = members.get(name, Number("0"))
    if not isinstance(value, Number) or not _INTEGER.fullmatch(value) or not -(2**63) <= int(value) < 2**63:
        said = f"number {value}" if isinstance(value, Number) else _kind(value)
        raise GoJsonError(f"json: cannot unmarshal {said} into Go struct field {struct}.{name} of type int64")
    return int(value)


def number_field(members: Mapping[str, Any], name: str) -> int:
    """What x/oauth2 makes of a token's ``expires_in``: an integer or a text of one."""
    value = members.get(name, Number("0"))
    if not isinstance(value, str):
        raise GoJsonError(f"json: cannot unmarshal {_kind(value)} into Go value of type json.Number")
    if not _INTEGER.fullmatch(value):
        raise GoJsonError(f"strconv.ParseInt: parsing {quote(value)}: invalid syntax")
    if not -(2**63) <= int(value) < 2**63:
        raise GoJsonError(f"strconv.ParseInt: parsing {quote(value)}: value out of range")
    return int(value)


def _kind(value: object) -> str:
    return "number" if isinstance(value, Number) else _KINDS.get(type(value), "null")


def _check(content: bytes) -> None:
    """Raises GoJsonError where Go's scanner stops."""
    scanner = _Scanner(content)
    scanner.value(0)
    scanner.skip_space()
    if not scanner.at_end():
        scanner.refuse("after top-level value")


class _Scanner:
    """Go's ``scanner.go`` as a recursive descent; only its complaints matter."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def at_end(self) -> bool:
        return self._at >= len(self._content)

    def skip_space(self) -> None:
        while not self.at_end() and self._content[self._at] in _SPACE:
            self._at += 1

    def refuse(self, where: str) -> NoReturn:
        if self.at_end():
            raise GoJsonError("unexpected end of JSON input")
        char = chr(self._content[self._at])
        shown = {"'": "'\\''", '"': "'\"'"}.get(char) or f"'{quote(char)[1:-1]}'"
        raise GoJsonError(f"invalid character {shown} {where}")

    def value(self, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise GoJsonError("exceeded max depth")
        self.skip_space()
        char = self._peek()
        if char == ord("{"):
            self._object(depth)
        elif char == ord("["):
            self._array(depth)
        elif char == ord('"'):
            self._string()
        elif char in _LITERALS:
            self._literal(_LITERALS[char])
        elif char == ord("-") or chr(char) in "0123456789":
            self._number()
        else:
            self.refuse("looking for beginning of value")

    def _peek(self) -> int:
        return 0 if self.at_end() else self._content[self._at]

    def _take(self, char: str) -> bool:
        self.skip_space()
        found = self._peek() == ord(char)
        self._at += found
        return found

    def _object(self, depth: int) -> None:
        self._at += 1
        if self._take("}"):
            return
        while True:
            self.skip_space()
            if self._peek() != ord('"'):
                self.refuse("looking for beginning of object key string")
            self._string()
            if not self._take(":"):
                self.refuse("after object key")
            self.value(depth + 1)
            if self._take("}"):
                return
            if not self._take(","):
                self.refuse("after object key:value pair")

    def _array(self, depth: int) -> None:
        self._at += 1
        if self._take("]"):
            return
        while True:
            self.value(depth + 1)
            if self._take("]"):
                return
            if not self._take(","):
                self.refuse("after array element")

    def _literal(self, word: bytes) -> None:
        for expected in word:
            if self._peek() != expected:
                self.refuse(f"in literal {word.decode()} (expecting '{chr(expected)}')")
            self._at += 1

    def _number(self) -> None:
        self._at += self._peek() == ord("-")
        if self._peek() == ord("0"):
            self._at += 1
        else:
            self._digits("in numeric literal")
        if self._peek() == ord("."):
            self._at += 1
            self._digits("after decimal point in numeric literal")
        if chr(self._peek()) in "eE":
            self._at += 1
            self._at += chr(self._peek()) in "+-"
            self._digits("in exponent of numeric literal")

    def _digits(self, where: str) -> None:
        start = self._at
        while chr(self._peek()) in "0123456789":
            self._at += 1
        if self._at == start:
            self.refuse(where)

    def _string(self) -> None:
        self._at += 1
        while (char := self._peek()) != ord('"') or self.at_end():
            if char < 0x20:
                self.refuse("in string literal")
            self._at += 1
            if char == ord("\\"):
                self._escape()
        self._at += 1

    def _escape(self) -> None:
        char = chr(self._peek())
        if char not in '"\\/bfnrtu':
            self.refuse("in string escape code")
        self._at += 1
        for _ in range(4 if char == "u" else 0):
            if chr(self._peek()) not in "0123456789abcdefABCDEF":
                self.refuse("in \\u hexadecimal character escape")
            self._at += 1
