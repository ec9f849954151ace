"""The tokens of CEL, as the grammar of cel-go has them (``parser/gen/CEL.g4``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from bootgrant.machines.talos.cel.errors import CelError

LONGEST_EXPRESSION: Final = 100_000
"""Code points; cel-go's ``expressionSizeCodePointLimit``."""


class Kind(Enum):
    """What a token is. Operators, brackets and the words ``in``, ``true``, ``false``, ``null`` are symbols."""

    NAME = "name"
    ESCAPED_NAME = "escaped"
    INT = "int"
    UINT = "uint"
    DOUBLE = "double"
    STRING = "string"
    BYTES = "bytes"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A token: ``text`` as it is written, ``at`` its offset in the expression."""

    kind: Kind
    text: str
    at: int


_ESCAPE: Final = (
    r"\\(?:[abfnrtv\"'\\?`]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2})"  # one escape sequence
)
_STRING: Final = "|".join(
    [
        rf'"""(?:{_ESCAPE}|[^\\])*?"""',
        rf"'''(?:{_ESCAPE}|[^\\])*?'''",
        rf'"(?:{_ESCAPE}|[^\\"\n\r])*"',
        rf"'(?:{_ESCAPE}|[^\\'\n\r])*'",
        r'[rR]"""[\s\S]*?"""',
        r"[rR]'''[\s\S]*?'''",
        r'[rR]"[^"\n\r]*"',
        r"[rR]'[^'\n\r]*'",
    ]
)
# The longest match wins; where one alternative is the beginning of another one, the longer one comes first.
_TOKEN: Final = re.compile(
    rf"(?P<skipped>[\t \r\n\f]+|//[^\n]*)|(?P<bytes>[bB](?:{_STRING}))|(?P<string>{_STRING})"
    r"|(?P<uint>0x[0-9a-fA-F]+[uU])|(?P<int>0x[0-9a-fA-F]+)"
    r"|(?P<double>[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<uint10>[0-9]+[uU])|(?P<int10>[0-9]+)"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<escaped>`[A-Za-z0-9_./ -]+`)"
    r"|(?P<symbol>==|!=|<=|>=|&&|\|\||[<>\[\](){}.,!?:+*/%-])"
)
_WORDS: Final = frozenset({"in", "true", "false", "null"})
_ESCAPES: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|.)", re.DOTALL)
_QUOTES: Final = frozenset("\"'")


def tokens(source: str) -> Iterator[Token]:
    """Yield the tokens of an expression, the last one of the kind END. Raises CelError."""
    if len(source) > LONGEST_EXPRESSION:
        raise CelError(f"the expression is longer than {LONGEST_EXPRESSION} characters")
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise CelError(_unexpected(source[at]), source, at)
        if match.lastgroup != "skipped":
            yield _token(match)
        at = match.end()
    yield Token(Kind.END, "", at)


def _token(match: re.Match[str]) -> Token:
    text, group = match[0], str(match.lastgroup).removesuffix("10")
    if text in _WORDS:
        group = "symbol"
    if group in {"string", "bytes"}:
        _check_escapes(match, in_bytes=group == "bytes")
    return Token(Kind(group), text, match.start())


def _check_escapes(match: re.Match[str], *, in_bytes: bool) -> None:
    text = match[0]
    if "\\" not in text or text.lstrip("bB").startswith(("r", "R")):
        return
    for escape in _ESCAPES.finditer(text):
        digits = escape[1] or escape[2]
        if digits is None:
            continue
        if in_bytes:
            raise CelError("bytes take no \\u and \\U: write \\x with two digits", match.string, match.start())
        point = int(digits, base=16)
        if 0xD800 <= point <= 0xDFFF or point > 0x10FFFF:
            raise CelError("an escape sequence is not a character of Unicode", match.string, match.start())


def _unexpected(char: str) -> str:
    if char in _QUOTES:
        return "a text that does not end, or with an escape sequence that CEL does not know"
    hint = {"=": ": compare with ==", "&": ": write &&", "|": ": write ||"}.get(char, "")
    return f"unexpected {char!r}{hint}"
