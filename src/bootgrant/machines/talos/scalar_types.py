"""The types of Talos's configuration, and those of them that are one YAML scalar: texts, numbers, parsed texts.

A type reads a node into a value, writes a value, and knows its zero value. A zero that was given stays a value, because
merging depends on whether a field was given.
"""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Final, TypeAlias

from bootgrant.machines.talos import go_values
from bootgrant.machines.talos.scalar_nodes import cut_off, dated_text, raw_text, scalar_value, text_of
from bootgrant.machines.yaml.reading import MappingNode, Node, ScalarNode, describe, is_null, quoted, shape
from bootgrant.machines.yaml.scalars import OLD_BOOLEANS
from bootgrant.machines.yaml.writing import Plain, Written
from bootgrant.wire.go_url import GoUrl, UrlError, parse_url

Value: TypeAlias = Any
"""A value as a type reads it; the docstring of each type names the Python type."""

_REDACTED: Final = b"******"
_SMALL_INTEGER: Final = re.compile(r"[-+]?0*[0-9]{1,3}")
_PORTS: Final = range(65536)
_QUOTED: Final = re.compile(r' "[^"]*"')


@dataclass(frozen=True, slots=True)
class Element:
    """The first list element whose field ``key`` has the text ``value``; None never matches."""

    key: str
    value: str | None


Step: TypeAlias = str | Element
"""A step of a path to delete: a key or a list element."""


class Absent(Enum):
    """The value of a field that is null, as if it had not been written."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(slots=True)
class Reading:
    """Errors found while a document is read: wrong types, and keys that no type has, each with its line.

    ``dates_are_texts`` and ``lenient_scalars`` are those of ``tables.Behaviour``.
    """

    dates_are_texts: bool = False
    lenient_scalars: bool = False
    errors: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)

    def wrong(self, node: Node, path: str, message: str) -> Absent:
        self.errors.append((node.line, f"{path}: {message}" if path else message))
        return ABSENT


class GoType(ABC):
    """A type. ``wanted`` describes its values in messages, ``zero_value`` is what Go uses when nothing was given."""

    wanted: str = "a value"
    zero_value: ClassVar[Value] = None

    @abstractmethod
    def read(self, node: Node, path: str, reading: Reading) -> Value:
        """Return the value of a node, or ABSENT for null and for an error, which is added to ``reading``."""

    def zero(self) -> Value:
        """Return the zero value. Lists and dicts are new ones."""
        return self.zero_value

    def is_zero(self, value: Value) -> bool:
        return bool(value == self.zero())

    def written(self, value: Value) -> Written:
        """Return a value as it is written into the configuration."""
        shown: Written = value
        return shown

    def delete(self, value: Value, steps: Sequence[Step]) -> bool:
        """Delete what the steps select from a value, in place. Return False if there is nothing to delete."""
        return False

    def selector_text(self, value: Value) -> str | None:
        """Return the text that ``$patch: delete`` compares, None if values of this type never match."""
        return None


class ScalarType(GoType):
    """A type whose values are written as one scalar. ``selects``: ``$patch: delete`` compares them by that text.

    ``is_struct``: it is a struct in Go, so lenient releases take ``{}`` for its zero.
    """

    selects: ClassVar[bool] = False
    is_struct: ClassVar[bool] = False

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, ScalarNode):
            if self.is_struct and reading.lenient_scalars and isinstance(node, MappingNode) and not node.pairs:
                return self.zero()
            return reading.wrong(node, path, f"expected {self.wanted}, found {shape(node)}")
        try:
            return self.from_scalar(dated_text(node) if reading.dates_are_texts else node)
        except ValueError as error:
            return reading.wrong(node, path, str(error))

    @abstractmethod
    def from_scalar(self, node: ScalarNode) -> Value:
        """Return the value. Raises ValueError with the reason."""

    def selector_text(self, value: Value) -> str | None:
        return str(self.written(value)) if self.selects else None

    def _unexpected(self, node: ScalarNode) -> ValueError:
        how = "" if node.plain or node.tag else " in quotes"
        return ValueError(f"expected {self.wanted}, found {describe(node)}{how}")


class Text(ScalarType):
    """``str``. Numbers and booleans are read as the text they are written as; a date needs quotes since 1.14."""

    wanted = "a text"
    zero_value = ""
    selects = True

    def from_scalar(self, node: ScalarNode) -> Value:
        return text_of(node)


class TrimmedText(Text):
    """``str`` without leading line ends and tabs, which Talos removes from manifests."""

    def from_scalar(self, node: ScalarNode) -> Value:
        text: str = super().from_scalar(node)
        return text.lstrip("\t\n\v\f\r")


class Boolean(ScalarType):
    """``bool``. The words of YAML 1.1 (``yes``, ``on``, …) are accepted too, even in quotes."""

    wanted = "true or false without quotes"
    zero_value = False

    def from_scalar(self, node: ScalarNode) -> Value:
        value = scalar_value(node)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value in OLD_BOOLEANS:
            return OLD_BOOLEANS[value]
        raise self._unexpected(node)


@dataclass(frozen=True)
class Integer(ScalarType):
    """``int`` from ``low`` to ``high``; ``7447.0`` is accepted too. Lenient releases cut off fractions."""

    low: int
    high: int

    wanted = "a whole number without quotes"
    zero_value = 0

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        return super().read(cut_off(node) if reading.lenient_scalars else node, path, reading)

    def from_scalar(self, node: ScalarNode) -> Value:
        value = scalar_value(node)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._unexpected(node)
        if not self.low <= value <= self.high:
            raise ValueError(f"{node.text} is out of range: write a number from {self.low} to {self.high}")
        return value


class FileMode(Integer):
    """``int``, written as ``0o644``."""

    def written(self, value: Value) -> Written:
        return Plain(self.selector_text(value))

    def selector_text(self, value: Value) -> str:
        return f"0o{value:o}"


@dataclass(frozen=True)
class Duration(ScalarType):
    """``int`` in nanoseconds. Talos takes 0 for a duration if ``zeros``, and ``1e9`` for nanoseconds if ``floats``."""

    zeros: bool = True
    floats: bool = True

    wanted = "a duration such as 90s or 1h30m"
    zero_value = 0
    selects = True

    def from_scalar(self, node: ScalarNode) -> Value:
        value = scalar_value(node)
        if isinstance(value, str):
            return go_values.duration(value)
        if self.floats and isinstance(value, float) and value.is_integer() and -(2**63) <= value < 2**63:
            return int(value)
        if self.zeros and value == 0 and type(value) is int:
            return 0
        raise ValueError(f"{node.text} has no unit: write a duration such as 90s, 5m or 1h30m")

    def written(self, value: Value) -> Written:
        return go_values.duration_text(value)


@dataclass(frozen=True)
class TextForm(ScalarType):
    """A text that ``parse`` turns into its canonical ``str``, or rejects with ValueError."""

    parse: Callable[[str], str]
    wanted: str = "a text"

    zero_value = ""
    selects = True
    is_struct = True

    def from_scalar(self, node: ScalarNode) -> Value:
        return self.parse(raw_text(node))


class HardwareAddress(TextForm):
    """A hardware address, which is a list of bytes in Go."""

    is_struct = False


@dataclass(frozen=True)
class Choice(ScalarType):
    """``int``, written as one of the names of an enumeration in any case.

    ``numbers`` are names of their own. ``lenient`` is the type of a bond's ``failOverMac``: its case counts, an empty
    text is its zero, and its numbers are accepted too.
    """

    name: str
    names: Mapping[int, str]
    numbers: range = range(0)
    lenient: bool = False

    zero_value = 0
    selects = True

    def from_scalar(self, node: ScalarNode) -> Value:
        text = raw_text(node)
        if self.lenient:
            return self._leniently(text)
        for number, name in self.names.items():
            if name.lower() == text.lower():
                return number
        if text.isascii() and text.isdigit() and text == str(int(text[:10])) and int(text) in self.numbers:
            return int(text)
        raise self._unknown(text)

    def _leniently(self, text: str) -> int:
        found = next((number for number, name in self.names.items() if name == text), None)
        if found is None and _SMALL_INTEGER.fullmatch(text) and int(text) in self.names:
            found = int(text)
        if found is None and text:
            raise self._unknown(text)
        return found or 0

    def _unknown(self, text: str) -> ValueError:
        numbers = f", or a number from {self.numbers[0]} to {self.numbers[-1]}" if self.numbers else ""
        return ValueError(f"{quoted(text)} is not one of {', '.join(self.names.values())}{numbers}")

    def written(self, value: Value) -> Written:
        shown = f"{self.name.rpartition('.')[2]}({value})"
        return self.names.get(value, str(value) if value in self.numbers else shown)


class Bytes(ScalarType):
    """``bytes``, written as base64."""

    wanted = "base64"
    zero_value = b""

    def from_scalar(self, node: ScalarNode) -> Value:
        return go_values.base64_bytes(text_of(node))

    def written(self, value: Value) -> Written:
        return base64.b64encode(value).decode("ascii")


class KeyBytes(Bytes):
    """``bytes`` of a private key. ``******``, which Talos writes in its place, is kept as it is."""

    def from_scalar(self, node: ScalarNode) -> Value:
        text = text_of(node)
        return _REDACTED if text.encode() == _REDACTED else go_values.base64_bytes(text)

    def written(self, value: Value) -> Written:
        return _REDACTED.decode() if value == _REDACTED else super().written(value)


class Url(ScalarType):
    """``GoUrl``, because Talos merges URLs part by part."""

    wanted = "a URL"
    zero_value = GoUrl()
    selects = True

    def from_scalar(self, node: ScalarNode) -> Value:
        try:
            return parse_url(text_of(node))
        except UrlError as error:
            # Without the parts that the reason quotes: a URL may contain a password.
            reason = _QUOTED.sub("", str(error).rpartition('": ')[2])
            raise ValueError(f"not a valid URL ({reason})") from None

    def written(self, value: Value) -> Written:
        return str(value)


class PortRange(ScalarType):
    """``(lowest, highest)``."""

    wanted = "a port without quotes, or a range such as 30000-32767"
    zero_value = 0, 0
    selects = True

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        return super().read(cut_off(node) if reading.lenient_scalars else node, path, reading)

    def from_scalar(self, node: ScalarNode) -> Value:
        value = scalar_value(node)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value in _PORTS:
            return int(value), int(value)
        return go_values.port_range(text_of(node))

    def written(self, value: Value) -> Written:
        low, high = value
        return int(low) if low == high else f"{low}-{high}"
