"""Everything that can be said about a snapshot before a machine waits for it."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from bootgrant.machines.finish.checking import by_pattern, in_clear, out_of_reach, shadowed_files, without_value
from bootgrant.machines.site.findings import Finding, Level
from bootgrant.machines.site.layers import unused_layers
from bootgrant.sources.finished_files import finished_entries
from bootgrant.sources.snapshot import Snapshot, is_model

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def findings_of(snapshot: Snapshot, allowed: Sequence[Network] = ()) -> list[Finding]:
    """Errors first, then warnings, each kind by its place. ``allowed`` are the networks that machines may ask from.

    That finished files hold secrets in clear is what they are for, and is not told.
    """
    entries = list(snapshot.entries.values())
    files = {path: raw for path, raw in snapshot.tree.files.items() if not is_model(path)}
    beside = finished_entries(dict.fromkeys(snapshot.tree.beside, b""))
    types = {name: verdict.machine_type for name, verdict in snapshot.verdicts.items()}
    found = [
        *snapshot.problems(),
        *(surprise for verdict in snapshot.verdicts.values() for surprise in verdict.warnings),
        *by_pattern(entries, types),
        *without_value(entries),
        *(out_of_reach(entries, allowed) if allowed else ()),
        *shadowed_files(entries, beside),
        *unused_layers(entries, snapshot.listing),
        *(in_clear(files) if snapshot.has_model else ()),
    ]
    return sorted(_merged(found), key=lambda one: (one.level is not Level.ERROR, one.file, one.line, one.entry))


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """What the same file does to many entries is said once."""
    kept: dict[tuple[str, str, str, int], Finding] = {}
    for one in found:
        kept.setdefault((one.rule, one.message, one.file, one.line), one)
    return list(kept.values())
