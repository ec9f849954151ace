"""What `bootgrant check` says beyond what keeps an entry from being served."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence

from bootgrant.machines.finish.redaction import clear_secrets
from bootgrant.machines.site.findings import Finding, warning
from bootgrant.machines.site.layers import LayerFile
from bootgrant.machines.site.model import Entry

_MOST_IN_A_FILE = 5


def by_pattern(entries: Iterable[Entry], machine_types: Mapping[str, str]) -> list[Finding]:
    """Control planes that a machine gets whose own uuid, serial or mac nobody wrote down."""
    told = (
        "a pattern leads to a control plane, which holds the keys of the cluster: name each machine's uuid, serial or "
        "mac in full"
    )
    return [
        warning("control-plane-by-pattern", told, entry.file, entry.line, entry.name)
        for entry in entries
        if entry.has_pattern and machine_types.get(entry.name) == "controlplane"
    ]


def without_value(entries: Iterable[Entry]) -> list[Finding]:
    """Variables that are named and have nothing behind the colon."""
    return [
        warning("no-value", f"the variable {name} has no value: a template that wants it is refused", entry.file,
                entry.line, entry.name)
        for entry in entries
        for name, value in entry.variables.items()
        if value is None
    ]  # fmt: skip


def out_of_reach(
    entries: Iterable[Entry], allowed: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> list[Finding]:
    """Entries that are expected only where no machine may ask."""
    found = []
    for entry in entries:
        networks = [ipaddress.ip_network(text) for text in entry.networks]
        if networks and not any(
            one.overlaps(other) for one in networks for other in allowed if one.version == other.version
        ):
            told = "no machine gets it: networks.machines lets nobody ask from its networks"
            found.append(warning("unreachable", told, entry.file, entry.line, entry.name))
    return found


def shadowed_files(entries: Iterable[Entry], finished: Iterable[Entry]) -> list[Finding]:
    """Finished files beside ``machines.yaml`` for a machine that an entry names already."""
    named = {(one.variable, one.key): entry.name for entry in entries for ones in entry.match.values() for one in ones}
    found = []
    for file in finished:
        for ones in file.match.values():
            owner = named.get((ones[0].variable, ones[0].key))
            if owner is not None:
                told = f"no machine gets it: the entry {owner} names the same {ones[0].variable} and goes first"
                found.append(warning("unreachable", told, file.file))
    return found


def in_clear(files: Mapping[str, bytes]) -> list[Finding]:
    """Secrets that stand in files as they are."""
    found = []
    for path, content in files.items():
        if LayerFile(path).is_encrypted or b"ENC[" in content:
            continue
        lines = clear_secrets(content)
        for name, line in lines[:_MOST_IN_A_FILE]:
            what = name or "a value"
            told = f"{what} is a secret in clear: encrypt the file (age, SOPS), or take it from a program (exec)"
            found.append(warning("secret-in-clear", told, path, line))
        if len(lines) > _MOST_IN_A_FILE:
            found.append(warning("secret-in-clear", f"and {len(lines) - _MOST_IN_A_FILE} more secrets in clear", path))
    return found
