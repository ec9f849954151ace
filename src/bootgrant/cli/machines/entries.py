"""The entries as the files have them: `machines list` without a server, and `machines explain --uuid …`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bootgrant.cli.machines import add_identity_arguments, add_site_arguments, identity_of, reporting, site_of
from bootgrant.cli.output import table
from bootgrant.machines.site.findings import named_fields

if TYPE_CHECKING:
    from bootgrant.machines.site.selection import Verdict
    from bootgrant.service.commands.machines import Revision

NO_ENTRIES = "there are no entries: write one in machines.yaml (docs/machines.md)"
_HEAD = ("NAME", "IS", "TALOS", "MATCHES", "LABELS", "LAYERS")


def add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `explain`."""
    add_site_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    add_identity_arguments(parser)


@reporting
def list_files(args: argparse.Namespace) -> int:
    """List the entries. Their states and deliveries are only known to a server."""
    from bootgrant.service.commands.machines import listed

    snapshot = site_of(args).snapshot()
    if args.json:
        print(json.dumps({"entries": listed(snapshot, args.label)}))
        return 0
    names = [entry["name"] for entry in listed(snapshot, args.label)]
    rows = [_row(snapshot, name) for name in names]
    print(table(_HEAD, rows) if rows else NO_ENTRIES)
    return 0


def _row(snapshot: Revision, name: str) -> tuple[str, ...]:
    from bootgrant.machines.site.model import Schema

    entry = snapshot.entries[name]
    verdict = snapshot.verdicts[name]
    kind = "broken: bootgrant check" if verdict.problem else verdict.machine_type or entry.schema.value
    if verdict.precious and verdict.machine_type != "controlplane":
        kind += f", has keys: {named_fields(verdict.precious)}"
    matches = " ".join(f"{key}={','.join(one.text for one in ones)}" for key, ones in entry.match.items())
    labels = " ".join(f"{key}={value}" for key, value in entry.labels.items())
    layers = " ".join(layer.name for layer in entry.layers if snapshot.listing.files(layer.name) is not None)
    release = entry.talos if entry.schema is Schema.TALOS else ""
    return name, kind, release, matches or "no machine (a profile)", labels, layers


@reporting
def explain_files(args: argparse.Namespace) -> int:
    """Exit status 0 means that the machine gets an entry."""
    from bootgrant.service.commands.machines import explain

    identity = identity_of(args)
    if identity is None:
        raise ValueError("name the machine: --uuid, --serial, --mac, or --hostname")
    snapshot = site_of(args).snapshot()
    verdicts = explain(snapshot, identity)
    chosen = next((verdict for verdict in verdicts if verdict.is_chosen), None)
    if args.json:
        rows = [{"entry": it.entry.name, "chosen": it.is_chosen, "why": it.why} for it in verdicts]
        print(json.dumps({"entry": chosen.entry.name if chosen else None, "entries": rows}))
    else:
        print("\n".join(_explanation(snapshot, verdicts, chosen)))
    return 0 if chosen else 1


def _explanation(snapshot: Revision, verdicts: list[Verdict], chosen: Verdict | None) -> list[str]:
    if chosen is None:
        lines = ["it gets nothing: no entry matches, or several match equally well"]
    else:
        lines = [f"it gets {chosen.entry.name} ({chosen.entry.file}, line {chosen.entry.line}): {chosen.why}"]
        verdict = snapshot.verdicts.get(chosen.entry.name)
        problem = verdict.problem if verdict else None
        if problem is not None:
            lines.append(f"  which cannot be served at the moment: {problem}")
    lines += [f"  not {verdict.entry.name}: {verdict.why}" for verdict in verdicts if not verdict.is_chosen]
    return lines
