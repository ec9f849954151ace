"""The sizes of Talos's configuration: of partitions and volumes, and conditions on the size of a disk."""

from __future__ import annotations

from dataclasses import dataclass

from bootgrant.machines.talos import go_sizes
from bootgrant.machines.talos.scalar_nodes import raw_text, text_of
from bootgrant.machines.talos.scalar_types import ScalarType, TextForm, Value
from bootgrant.machines.yaml.reading import ScalarNode
from bootgrant.machines.yaml.writing import Written


class SizeCondition(TextForm):
    """A condition on the size of a disk, such as ``>= 500GB``."""

    is_struct = False

    def from_scalar(self, node: ScalarNode) -> Value:
        return self.parse(text_of(node))


@dataclass(frozen=True)
class MaxSize(ScalarType):
    """``(percentage, bytes)`` as texts. One of them is empty; if a merge sets both, the bytes are written.

    ``negative``: a size may begin with ``-``.
    """

    negative: bool = True

    wanted = "a size such as 100GiB or 50%"
    zero_value = "", ""
    is_struct = True

    def from_scalar(self, node: ScalarNode) -> Value:
        text = raw_text(node)
        if not self.negative:
            go_sizes.check_sign(text)
        return (go_sizes.percentage(text), "") if "%" in text else ("", go_sizes.checked_size(text))

    def written(self, value: Value) -> Written:
        percentage, size = value
        shown: str = size or percentage
        return shown


class PartitionSize(ScalarType):
    """``int`` in bytes, written as ``100 GB`` where that is exact."""

    wanted = "a size such as 100GB"
    zero_value = 0

    def from_scalar(self, node: ScalarNode) -> Value:
        return go_sizes.byte_size(text_of(node))

    def written(self, value: Value) -> Written:
        return go_sizes.exact_size(value)
