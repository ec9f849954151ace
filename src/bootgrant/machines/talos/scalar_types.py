"""The types of Talos's configuration that are one scalar in YAML: texts, numbers, and texts that are parsed."""

from __future__ import annotations

import base64
import re
from abc import abstractmethod
from collections.abc import Callable
from collections.abc import Mapping as Mapped
from dataclasses import dataclass
from typing import Final

from bootgrant.machines.talos import go_values
from bootgrant.machines.talos.go_types import ABSENT, GoType, Reading, Value, scalar_value
from bootgrant.machines.yaml.reading import Node, Scalar, is_null, kind_of_node
from bootgrant.machines.yaml.scalars import OLD_BOOLEANS, Timestamp
from bootgrant.machines.yaml.writing import Plain, Written
from bootgrant.wire.go_url import GoUrl, UrlError, parse_url

_QUOTED: Final = re.compile(r' "[^"]*"')


class ScalarType(GoType):
    """What is written as one scalar."""

    def read(self, node: Node, path: str, reading: Reading) -> Value:
        if is_null(node):
            return ABSENT
        if not isinstance(node, Scalar):
            return reading.refuse(node, path, f"{kind_of_node(node)} stands here, {self.wanted} is expected")
        try:
            return self.from_scalar(node)
        except ValueError as error:
            return reading.refuse(node, path, str(error))

    @abstractmethod
    def from_scalar(self, node: Scalar) -> Value:
        """The value. Raises ValueError that says what is expected."""

    def _unexpected(self, node: Scalar) -> ValueError:
        quoted = "" if node.plain or node.tag else " in quotes"
        return ValueError(f"{kind_of_node(node)}{quoted} stands here, {self.wanted} is expected")


class Text(ScalarType):
    """``str``. Numbers and booleans are taken as they are written; a date wants quotes."""

    wanted = "a text"

    def from_scalar(self, node: Scalar) -> Value:
        if node.plain or node.tag:
            value = scalar_value(node)
            if isinstance(value, Timestamp):
                raise ValueError(f"{node.text} is a date to Talos: write it in quotes")
            return value if isinstance(value, str) else node.text
        return node.text

    def zero(self) -> Value:
        return ""

    def selector_text(self, value: Value) -> str | None:
        return str(value)


class TrimmedText(Text):
    """``str`` without the line ends and tabs that it begins with: Talos cuts them off manifests."""

    def from_scalar(self, node: Scalar) -> Value:
        text: str = super().from_scalar(node)
        return text.lstrip("\t\n\v\f\r")


class Boolean(ScalarType):
    """``bool``; ``yes``, ``on`` and their kin are taken too, without quotes."""

    wanted = "true or false without quotes"

    def from_scalar(self, node: Scalar) -> Value:
        value = scalar_value(node)
        if isinstance(value, bool):
            return value
        if node.plain and node.text in OLD_BOOLEANS:
            return OLD_BOOLEANS[node.text]
        raise self._unexpected(node)

    def zero(self) -> Value:
        return False


@dataclass(frozen=True)
class Integer(ScalarType):
    """``int`` between ``low`` and ``high``; ``7447.0`` is one too."""

    low: int
    high: int

    wanted = "a whole number without quotes"

    def from_scalar(self, node: Scalar) -> Value:
        value = scalar_value(node)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._unexpected(node)
        if not self.low <= value <= self.high:
            raise ValueError(f"{node.text} is out of range: {self.low} to {self.high} is possible")
        return value

    def zero(self) -> Value:
        return 0


class FileMode(Integer):
    """``int``, written as ``0o644``."""

    def written(self, value: Value) -> Written:
        return Plain(f"0o{value:o}")


class Duration(ScalarType):
    """``int`` in nanoseconds."""

    wanted = "a duration such as 90s or 1h30m"

    def from_scalar(self, node: Scalar) -> Value:
        if isinstance(scalar_value(node), str):
            return go_values.duration(node.text)
        raise ValueError(f"{node.text} has no unit: write a duration such as 90s, 5m or 1h30m")

    def zero(self) -> Value:
        return 0

    def written(self, value: Value) -> Written:
        return go_values.duration_text(value)


@dataclass(frozen=True)
class TextForm(ScalarType):
    """A text that is parsed: ``parse`` gives the canonical ``str``, and raises ValueError."""

    parse: Callable[[str], str]
    wanted: str = "a text"

    def from_scalar(self, node: Scalar) -> Value:
        return self.parse(node.text)

    def zero(self) -> Value:
        return ""

    def selector_text(self, value: Value) -> str | None:
        return str(value)


@dataclass(frozen=True)
class Choice(ScalarType):
    """``int``: one of the names of an enumeration, in any case of letters; ``numbers`` says that a number may stand."""

    name: str
    names: Mapped[int, str]
    numbers: bool = False

    def from_scalar(self, node: Scalar) -> Value:
        for number, name in self.names.items():
            if name.lower() == node.text.lower():
                return number
        if self.numbers and node.text.isascii() and node.text.isdigit() and len(node.text) <= 10:
            return int(node.text)
        allowed = ", ".join(self.names.values())
        raise ValueError(f"{kind_of_node(node)} is none of {allowed}{', and no number' if self.numbers else ''}")

    def zero(self) -> Value:
        return 0

    def written(self, value: Value) -> Written:
        shown = f"{self.name.rpartition('.')[2]}({value})"
        return self.names.get(value, str(value) if self.numbers else shown)

    def selector_text(self, value: Value) -> str | None:
        return str(self.written(value))


class Bytes(ScalarType):
    """``bytes``, written as base64."""

    wanted = "base64"

    def from_scalar(self, node: Scalar) -> Value:
        return go_values.base64_bytes(node.text)

    def zero(self) -> Value:
        return b""

    def written(self, value: Value) -> Written:
        return base64.b64encode(value).decode("ascii")


class Url(ScalarType):
    """``GoUrl``: Talos merges its parts one by one."""

    wanted = "a URL"

    def from_scalar(self, node: Scalar) -> Value:
        try:
            return parse_url(node.text)
        except UrlError as error:
            # Without what Go quotes: a URL may hold a password.
            reason = _QUOTED.sub("", str(error).rpartition('": ')[2])
            raise ValueError(f"this is no URL to Talos ({reason}): correct it") from None

    def zero(self) -> Value:
        return GoUrl()

    def written(self, value: Value) -> Written:
        return str(value)

    def selector_text(self, value: Value) -> str | None:
        return str(value)


class MaxSize(ScalarType):
    """``(percentage, bytes)`` as texts, one of them empty; when a merge sets both, the bytes are written."""

    wanted = "a size such as 100GiB or 50%"

    def from_scalar(self, node: Scalar) -> Value:
        if node.text.endswith("%"):
            return go_values.percentage(node.text), ""
        go_values.byte_size(node.text)
        return "", node.text

    def zero(self) -> Value:
        return "", ""

    def written(self, value: Value) -> Written:
        percentage, size = value
        shown: str = size or percentage
        return shown


class PortRange(ScalarType):
    """``(lowest, highest)``."""

    wanted = "a port without quotes, or a range such as 30000-32767"

    def from_scalar(self, node: Scalar) -> Value:
        value = scalar_value(node)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65535:
            return value, value
        return go_values.port_range(node.text)

    def zero(self) -> Value:
        return 0, 0

    def written(self, value: Value) -> Written:
        low, high = value
        return int(low) if low == high else f"{low}-{high}"

    def selector_text(self, value: Value) -> str | None:
        return str(self.written(value))


class PartitionSize(ScalarType):
    """``int`` in bytes, written as people say it (``100 GB``)."""

    wanted = "a size such as 100GB"

    def from_scalar(self, node: Scalar) -> Value:
        size = go_values.byte_size(node.text)
        if size < 0:
            raise self._unexpected(node)
        return size

    def zero(self) -> Value:
        return 0

    def written(self, value: Value) -> Written:
        return go_values.size_shown(value)
