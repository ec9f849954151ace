"""The commands that produce configurations: `render` prints one, `export` writes files."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bootgrant.cli.arguments import add_json_argument
from bootgrant.cli.machines import add_identity_arguments, add_site_arguments, identity_of, reporting, site_of
from bootgrant.cli.output import Refused, fail, show

if TYPE_CHECKING:
    from bootgrant.machines.site.findings import Finding


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an entry, or a file in a folder of finished configurations")
    add_site_arguments(parser)
    parser.add_argument("--reveal", action="store_true", help="show secrets")
    parser.add_argument("--plain", action="store_true", help="omit the layers after the values")
    parser.add_argument("--diff", metavar="REV", help="show what has changed since this git commit")
    add_json_argument(parser)
    add_identity_arguments(parser)


@reporting
def _render(args: argparse.Namespace) -> int:
    """Print the configuration of one entry, with the layer that each value came from, and its secrets redacted.

    --reveal shows the secrets; --reveal --plain is exactly what the machine gets. --diff shows what has changed since a
    commit; secrets appear as labels that only show that they differ.
    """
    return _difference(args) if args.diff else _print(args)


def _print(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import Shown, finish, shown

    snapshot, identity = site_of(args).snapshot(), identity_of(args)
    config = b""
    if args.reveal and args.plain:
        made = finish(snapshot, args.name, identity)
        config, text = made.config, made.config.decode()
        warnings: Sequence[Finding] = made.warnings
    else:
        text, warnings = shown(snapshot, args.name, identity, Shown(reveal=args.reveal, plain=args.plain))
    if args.json:
        answer = {"entry": args.name, "text": text, "warnings": [f"{one.level.value}: {one}" for one in warnings]}
        return show(answer, "", as_json=True)
    if config:
        sys.stdout.buffer.write(config)
        sys.stdout.buffer.flush()
    else:
        print(text, end="" if text.endswith("\n") else "\n")
    for finding in warnings:
        print(f"bootgrant: {finding.level.value}: {finding}", file=sys.stderr)
    return 0


def _difference(args: argparse.Namespace) -> int:
    """Exit status 0 even if something differs: a person decides whether it may."""
    from bootgrant.service.commands.machines import Shown, secret_labels, shown

    site = site_of(args)
    how = Shown(reveal=args.reveal, plain=True, label_key=secret_labels())
    texts = [
        shown(snapshot, args.name, identity_of(args), how)[0]
        for snapshot in (site.snapshot(args.diff), site.snapshot())
    ]
    before, after = (text.splitlines(keepends=True) for text in texts)
    lines = list(difflib.unified_diff(before, after, f"{args.name} at {args.diff}", f"{args.name} now"))
    if args.json:
        return show({"entry": args.name, "since": args.diff, "diff": "".join(lines)}, "", as_json=True)
    sys.stdout.writelines(line if line.endswith("\n") else f"{line}\n" for line in lines)
    if not lines:
        print(f"bootgrant: {args.name} has not changed since {args.diff}", file=sys.stderr)
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--metal-iso", nargs=2, metavar=("NAME", "OUT.iso"), help="one entry, as a medium")
    wanted.add_argument("--folder", type=Path, metavar="DIR", help="all entries, in a new folder")
    add_json_argument(parser)
    add_site_arguments(parser)
    add_identity_arguments(parser)


@reporting
def _export(args: argparse.Namespace) -> int:
    """Write finished configurations to files, for machines that cannot reach a server.

      bootgrant export --metal-iso cp-1 cp-1.iso    a medium for talos.config=metal-iso
      bootgrant export --folder finished/           every configuration, one file each

    They contain secrets in clear, so only their owner can read them. Nothing is overwritten.
    """
    try:
        return _export_folder(args) if args.folder else _export_iso(args)
    except OSError as error:
        raise Refused("no_file", f"{error.filename}: {error.strerror}; nothing was overwritten") from error


def _export_iso(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import export_iso

    name, out = args.metal_iso[0], Path(args.metal_iso[1])
    export_iso(site_of(args).snapshot(), name, identity_of(args), out)
    text = f"wrote {out} with the configuration of {name}: it contains secrets in clear\n"
    text += "boot Talos with talos.config=metal-iso and this medium attached"
    return show({"entry": name, "file": str(out)}, text, as_json=args.json)


def _export_folder(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import export_folder

    written, left_out = export_folder(site_of(args).snapshot(), args.folder)
    text = f"wrote {len(written)} configurations to {args.folder}: they contain secrets in clear"
    answer = {"folder": str(args.folder), "entries": list(written), "left_out": dict(left_out)}
    show(answer, text, as_json=args.json)
    for name, reason in left_out if not args.json else ():
        fail(f"{name} was not written: {reason}")
    return 1 if left_out else 0


COMMANDS: Final = {"render": (_add_render, _render), "export": (_add_export, _export)}
