"""Everything that `bootgrant check` reports about a snapshot."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

from bootgrant.configurations.snapshot import Snapshot, is_model
from bootgrant.machines.finish.clear_text import clear_text_secrets
from bootgrant.machines.finish.rendering import unset_variables
from bootgrant.machines.site.files import finished_entries, missing_submodules, shadowed_files, unused_layers
from bootgrant.machines.site.findings import Finding, Level
from bootgrant.machines.site.selection import control_planes_by_pattern, keys_without_control_plane, unreachable_entries

_ORDER: Final = list(Level)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def findings_of(snapshot: Snapshot, allowed: Sequence[Network] = ()) -> list[Finding]:
    """Return the errors, then the warnings, then the notes, each sorted by place.

    ``allowed`` are the networks of the machines. Secrets in clear are reported only next to a ``machines.yaml``:
    finished configurations always have them. Layers are unused only if every entry could be read.
    """
    entries = list(snapshot.entries.values())
    files = {path: raw for path, raw in snapshot.tree.files.items() if not is_model(path)}
    types = {name: verdict.machine_type for name, verdict in snapshot.verdicts.items()}
    precious = {name: verdict.precious for name, verdict in snapshot.verdicts.items()}
    found = [
        *snapshot.problems(),
        *(warning for verdict in snapshot.verdicts.values() for warning in verdict.warnings),
        *control_planes_by_pattern(entries, types),
        *keys_without_control_plane(entries, types, precious),
        *unset_variables(entries),
        *(unreachable_entries(entries, allowed) if allowed else ()),
        *shadowed_files(entries, finished_entries(snapshot.tree.finished)),
        *missing_submodules(snapshot.listing),
        *(unused_layers(entries, snapshot.listing) if snapshot.has_every_entry else ()),
        *(clear_text_secrets(files) if snapshot.has_model else ()),
    ]
    return sorted(_merged(found), key=lambda one: (_ORDER.index(one.level), one.file, one.line, one.entry))


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """Keep one of the findings that a file causes in several entries."""
    kept: dict[tuple[str, str, str, int], Finding] = {}
    for one in found:
        kept.setdefault((one.rule, one.message, one.file, one.line), one)
    return list(kept.values())
