"""List the entries, or explain which entry a machine gets: `machines list`, `machines explain --uuid …`."""

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

_HEAD = ("NAME", "IS", "TALOS", "MATCHES", "LABELS", "LAYERS")


def add_commands(parser: argparse.ArgumentParser) -> argparse._SubParsersAction[argparse.ArgumentParser]:
    """Add `list` and `explain`, and return what further commands can be added to."""
    commands = parser.add_subparsers(dest="what", metavar="list | explain | accept", required=True)
    listing = commands.add_parser("list", help="list all entries", allow_abbrev=False)
    explaining = commands.add_parser(
        "explain", help="say which entry a machine gets, and why not the others", allow_abbrev=False
    )
    for command in (listing, explaining):
        add_site_arguments(command)
        command.add_argument("--json", action="store_true", help="print JSON for programs")
    add_identity_arguments(explaining)
    return commands


@reporting
def run(args: argparse.Namespace) -> int:
    return _explain(args) if args.what == "explain" else _list(args)


def _list(args: argparse.Namespace) -> int:
    snapshot = site_of(args).snapshot()
    rows = [_row(snapshot, name) for name in snapshot.entries]
    if args.json:
        print(json.dumps({"entries": [dict(zip(map(str.lower, _HEAD), row, strict=True)) for row in rows]}))
    else:
        print(table(_HEAD, rows) if rows else "there are no entries: write one in machines.yaml (docs/machines.md)")
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


def _explain(args: argparse.Namespace) -> int:
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
