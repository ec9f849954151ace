"""The commands that produce configurations: `render` prints one, `export` writes files."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path
from typing import Final

from bootgrant.cli.machines import add_identity_arguments, add_site_arguments, identity_of, reporting, site_of
from bootgrant.cli.output import fail


def _add_render(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="an entry, or a file in a folder of finished configurations")
    add_site_arguments(parser)
    parser.add_argument("--reveal", action="store_true", help="show secrets")
    parser.add_argument("--plain", action="store_true", help="omit the layers after the values")
    parser.add_argument("--diff", metavar="REV", help="show what has changed since this git commit")
    add_identity_arguments(parser)


@reporting
def _render(args: argparse.Namespace) -> int:
    """Print the configuration of one entry, with the layer that each value came from, and its secrets redacted.

    --reveal shows the secrets; --reveal --plain is exactly what the machine gets. --diff shows what has changed since a
    commit; secrets appear as labels that only show that they differ.
    """
    return _difference(args) if args.diff else _print(args)


def _print(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import finish, shown

    made = finish(site_of(args).snapshot(), args.name, identity_of(args))
    if args.reveal and args.plain:
        sys.stdout.buffer.write(made.config)
        sys.stdout.buffer.flush()
    else:
        text = shown(made, reveal=args.reveal, plain=args.plain)
        print(text, end="" if text.endswith("\n") else "\n")
    for finding in made.warnings:
        print(f"bootgrant: {finding.level.value}: {finding}", file=sys.stderr)
    return 0


def _difference(args: argparse.Namespace) -> int:
    """Exit status 0 even if something differs: a person decides whether it may."""
    from bootgrant.service.commands.machines import finish, secret_labels, shown

    site = site_of(args)
    label = secret_labels()
    texts = [
        shown(finish(snapshot, args.name, identity_of(args)), reveal=args.reveal, plain=True, label=label)
        for snapshot in (site.snapshot(args.diff), site.snapshot())
    ]
    before, after = (text.splitlines(keepends=True) for text in texts)
    lines = list(difflib.unified_diff(before, after, f"{args.name} at {args.diff}", f"{args.name} now"))
    sys.stdout.writelines(line if line.endswith("\n") else f"{line}\n" for line in lines)
    if not lines:
        print(f"bootgrant: {args.name} has not changed since {args.diff}", file=sys.stderr)
    return 0


def _add_export(parser: argparse.ArgumentParser) -> None:
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--metal-iso", nargs=2, metavar=("NAME", "OUT.iso"), help="one entry, as a medium")
    wanted.add_argument("--folder", type=Path, metavar="DIR", help="all entries, in a new folder")
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
        return fail(f"{error.filename}: {error.strerror}; nothing was overwritten")


def _export_iso(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import export_iso

    name, out = args.metal_iso[0], Path(args.metal_iso[1])
    export_iso(site_of(args).snapshot(), name, identity_of(args), out)
    print(f"wrote {out} with the configuration of {name}: it contains secrets in clear")
    print("boot Talos with talos.config=metal-iso and this medium attached")
    return 0


def _export_folder(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.machines import export_folder

    written, left_out = export_folder(site_of(args).snapshot(), args.folder)
    print(f"wrote {len(written)} configurations to {args.folder}: they contain secrets in clear")
    for name, reason in left_out:
        fail(f"{name} was not written: {reason}")
    return 1 if left_out else 0


COMMANDS: Final = {"render": (_add_render, _render), "export": (_add_export, _export)}
