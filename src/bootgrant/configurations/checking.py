"""Everything that `bootgrant check` reports about a snapshot."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from bootgrant.configurations.snapshot import Snapshot, is_model
from bootgrant.machines.finish.checking import by_pattern, in_clear, out_of_reach, shadowed_files, without_value
from bootgrant.machines.site.findings import Finding, Level
from bootgrant.machines.site.finished_files import finished_entries
from bootgrant.machines.site.layers import unused_layers

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def findings_of(snapshot: Snapshot, allowed: Sequence[Network] = ()) -> list[Finding]:
    """Return the errors, then the warnings, each sorted by place. ``allowed`` are the networks of the machines.

    Secrets in clear are reported only next to a ``machines.yaml``: finished configurations always have them.
    """
    entries = list(snapshot.entries.values())
    files = {path: raw for path, raw in snapshot.tree.files.items() if not is_model(path)}
    types = {name: verdict.machine_type for name, verdict in snapshot.verdicts.items()}
    found = [
        *snapshot.problems(),
        *(warning for verdict in snapshot.verdicts.values() for warning in verdict.warnings),
        *by_pattern(entries, types),
        *without_value(entries),
        *(out_of_reach(entries, allowed) if allowed else ()),
        *shadowed_files(entries, finished_entries(snapshot.tree.finished)),
        *unused_layers(entries, snapshot.listing),
        *(in_clear(files) if snapshot.has_model else ()),
    ]
    return sorted(_merged(found), key=lambda one: (one.level is not Level.ERROR, one.file, one.line, one.entry))


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Keep one of the findings that a file causes in several entries."""
    kept: dict[tuple[str, str, str, int], Finding] = {}
    for one in found:
        kept.setdefault((one.rule, one.message, one.file, one.line), one)
    return list(kept.values())
