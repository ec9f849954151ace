"""A folder of finished files without ``machines.yaml``, read as entries: the file's name says whose it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bootgrant.machines.site.model import Entry, Layer, Schema
from bootgrant.machines.site.pattern import PatternError, pattern
from bootgrant.machines.talos.composing import is_talos
from bootgrant.wire.identity import canonical_mac, canonical_uuid

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def finished_entries(files: Mapping[str, bytes]) -> Sequence[Entry]:
    """One entry for each ``<uuid>.yaml``, ``<mac>.yaml`` or ``<serial>.yaml`` at the top of the folder."""
    found = []
    for path in sorted(files):
        stem = path.removesuffix(".yaml")
        if stem == path or not _NAME.fullmatch(path):
            continue
        variable = variable_of(stem)
        schema = schema_of(files[path])
        try:
            match = {variable: (pattern(variable, stem),)}
        except PatternError:
            continue
        found.append(Entry(path, match, layers=(Layer(path),), schema=schema, file=path, line=1))
    return found


def schema_of(content: bytes) -> Schema:
    """What a finished file is held to: to what Talos takes, unless it is surely something else."""
    return Schema.TALOS if is_talos(content) else Schema.YAML


def is_of_one_machine(name: str) -> bool:
    """Whether a file at the top of a folder is named after a uuid or a mac, so that it can be no layer."""
    return name.endswith(".yaml") and variable_of(name.removesuffix(".yaml")) != "serial"


def variable_of(stem: str) -> str:
    """What a file's name is: a uuid, a mac, or else a serial number."""
    return "uuid" if canonical_uuid(stem) else "mac" if canonical_mac(stem) else "serial"
