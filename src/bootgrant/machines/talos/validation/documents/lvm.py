"""LVM and RAID: volume groups, logical volumes, arrays."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from bootgrant.machines.talos.validation.documents.expressions import expression
from bootgrant.machines.talos.validation.documents.rules import (
    Rule,
    Section,
    characters,
    check,
    first,
    inside,
    length,
    required,
)
from bootgrant.machines.talos.validation.documents.sizes import is_negative, largest, largest_text, smallest
from bootgrant.machines.talos.validation.documents.volumes import LETTERS
from bootgrant.machines.talos.validation.report import Check


class Layout(IntEnum):
    """The layouts of a logical volume (``LVMLogicalVolumeType``)."""

    LINEAR = 0
    RAID1 = 1
    RAID0 = 2
    RAID10 = 3


_MIRRORED: Final = (Layout.RAID1, Layout.RAID10)
_STRIPED: Final = (Layout.RAID0, Layout.RAID10)


def _name(longest: int) -> Rule:
    return first(
        required("name"), length("name", longest), characters("name", LETTERS | {"_"}, "letters, digits, - and _")
    )


def _legs(name: str, fewest: int, layouts: tuple[Layout, ...]) -> Rule:
    """How many mirrors or stripes a layout has."""
    described = " and ".join(layout.name.lower() for layout in layouts)

    def run(section: Section) -> None:
        if not section.has(name):
            return
        if section.number("type") not in layouts:
            section.refuse(name, f"is only possible with type {described}")
        elif section.number(name) < fewest:
            section.refuse(name, f"must be at least {fewest}")

    return run


def _sizes(provisioning: Section) -> None:
    text = largest_text(provisioning)
    low, high = smallest(provisioning), largest(provisioning)
    if not text:
        provisioning.refuse("maxSize", "must be set")
    if is_negative(text):
        provisioning.refuse("maxSize", "must not be negative")
    if low is not None and "%" not in text and low > (high or 0):
        provisioning.refuse("minSize", "must not be greater than maxSize")


_volumes = inside("provisioning", inside("volumeSelector", expression("match", "volume", is_needed=True)))

CHECKS: Final[Mapping[str, Check]] = {
    "LVMVolumeGroupConfig": check(_name(63), _volumes),
    "LVMLogicalVolumeConfig": check(
        _name(63),
        _legs("mirrors", 1, _MIRRORED),
        _legs("stripes", 2, _STRIPED),
        inside("provisioning", required("volumeGroup"), _sizes),
    ),
    "RAIDArrayConfig": check(_name(32), _volumes),
}
