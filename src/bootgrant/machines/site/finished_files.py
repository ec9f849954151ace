"""Finished configurations in a machines folder: ``<uuid>.yaml``, ``<serial>.yaml``, ``<mac with dashes>.yaml``.

The name says whose file it is. Next to a ``machines.yaml`` only a uuid or a mac counts, because any other name may be a
layer's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from bootgrant.machines.site.model import Entry, Layer, Schema
from bootgrant.machines.site.pattern import PatternError, pattern
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def is_valid_name(name: str) -> bool:
    """Whether a file name, with or without ``.yaml``, is safe to look up in the folder."""
    return _NAME.fullmatch(name.removesuffix(".yaml")) is not None


def variable_of(name: str) -> str:
    """Which value of the machine a file is named after: ``uuid``, ``mac``, or else ``serial``."""
    stem = name.removesuffix(".yaml")
    return "uuid" if canonical_uuid(stem) else "mac" if canonical_mac(stem) else "serial"


def names_one_machine(name: str) -> bool:
    """Whether a file at the top of the folder is named after a uuid or a mac, and so cannot be a layer."""
    return name.endswith(".yaml") and variable_of(name) != "serial"


def file_names(identity: MachineIdentity) -> Iterator[tuple[str, str]]:
    """Yield the files that a machine may have, best first, each as (variable, name).

    Uuids and macs are tried in lower and upper case.
    """
    # A serial number that looks like a uuid or a mac would find the file of the machine that has it.
    serial = "" if canonical_uuid(identity.serial) or canonical_mac(identity.serial) else identity.serial
    # Firmware disagrees about the byte order of the UUID, so the machine's label may show the other one.
    swapped = swapped_uuid(identity.uuid) if identity.uuid else ""
    mac = identity.mac.replace(":", "-")
    for variable, stem in (
        ("uuid", identity.uuid),
        ("uuid", identity.uuid.upper()),
        ("uuid", swapped),
        ("uuid", swapped.upper()),
        ("serial", serial),
        ("mac", mac),
        ("mac", mac.upper()),
    ):
        if is_valid_name(stem):
            yield variable, f"{stem}.yaml"


def finished_entries(
    names: Iterable[str], schema_of: Callable[[str], Schema] = lambda name: Schema.YAML
) -> Sequence[Entry]:
    """Return an entry for each finished configuration among these paths."""
    found = []
    for name in sorted(names):
        if not name.endswith(".yaml") or not is_valid_name(name):
            continue
        variable = variable_of(name)
        try:
            match = {variable: (pattern(variable, name.removesuffix(".yaml")),)}
        except PatternError:
            continue
        found.append(Entry(name, match, layers=(Layer(name),), schema=schema_of(name), file=name, line=1))
    return found
