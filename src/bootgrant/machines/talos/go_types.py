"""What a type of Talos's configuration is to the composer: what it reads, what it writes, what is zero.

A value is what a type reads. What was given as zero stays, because merging asks whether it was given.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from bootgrant.machines.talos import go_values
from bootgrant.machines.yaml.reading import Node, Scalar
from bootgrant.machines.yaml.scalars import PlainValue, Timestamp, plain_value
from bootgrant.machines.yaml.writing import Written

Value: TypeAlias = Any
"""What a type reads; each type's docstring says which Python type that is."""

_TAG: Final = "tag:yaml.org,2002:"


class Absent(Enum):
    """A field that is null: as if it had not been written."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


@dataclass(slots=True)
class Reading:
    """What was found wrong while a document was read: types by line, and keys that no type has."""

    errors: list[tuple[int, str]] = field(default_factory=list)
    unknown: list[tuple[int, str]] = field(default_factory=list)

    def refuse(self, node: Node, path: str, message: str) -> Absent:
        self.errors.append((node.line, f"{path}: {message}" if path else message))
        return ABSENT


def scalar_value(node: Scalar) -> PlainValue:
    """What a scalar is by its tag and quotes. Raises ValueError for a tag that its text does not fit."""
    if node.plain:
        return plain_value(node.text)
    match node.tag:
        case None:
            return node.text
        case "tag:yaml.org,2002:binary":
            return go_values.base64_bytes(node.text).decode("utf-8")
        case "tag:yaml.org,2002:null":
            return None
        case "tag:yaml.org,2002:bool" | "tag:yaml.org,2002:int" | "tag:yaml.org,2002:float":
            value = plain_value(node.text)
            if isinstance(value, (bool, int, float)):
                return value
            raise ValueError(f"{node.text!r} does not fit its tag !!{node.tag.removeprefix(_TAG)}")
        case "tag:yaml.org,2002:timestamp":
            return Timestamp(node.text)
        case _:
            return node.text


class GoType(ABC):
    """One type. ``wanted`` says in words what it takes."""

    wanted: str = "a value"

    @abstractmethod
    def read(self, node: Node, path: str, reading: Reading) -> Value:
        """The value of ``node``, or ABSENT for null and for what is wrong (then it stands in ``reading``)."""

    @abstractmethod
    def zero(self) -> Value:
        """What Go has where nothing was given."""

    def is_zero(self, value: Value) -> bool:
        return bool(value == self.zero())

    def written(self, value: Value) -> Written:
        """The value as it is written into the configuration."""
        shown: Written = value
        return shown

    def selector_text(self, value: Value) -> str | None:
        """The text that ``$patch: delete`` compares, None when a value of this type never matches."""
        return None
