"""Write finished configurations to files, for machines that reach no server.

  bootgrant export --metal-iso cp-1 cp-1.iso    a medium for talos.config=metal-iso
  bootgrant export --folder finished/           every configuration, one file each

They hold secrets in clear: the files are for their owner alone, and nothing is overwritten.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bootgrant.cli.machine_arguments import add_identity_arguments, add_site_arguments, identity_of, say_broken, site_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--metal-iso", nargs=2, metavar=("NAME", "OUT.iso"), help="one entry, as a medium")
    wanted.add_argument("--folder", type=Path, metavar="DIR", help="all entries, into a new folder")
    add_site_arguments(parser)
    add_identity_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.findings import SiteBroken
    from bootgrant.service.commands.machines import NoSuchEntry
    from bootgrant.service.settings.site import SettingsError

    try:
        return _folder(args) if args.folder else _iso(args)
    except SiteBroken as broken:
        return say_broken(broken)
    except OSError as error:
        print(f"bootgrant: {error.filename}: {error.strerror}; nothing was overwritten", file=sys.stderr)
    except (SettingsError, NoSuchEntry, ValueError) as error:
        print(f"bootgrant: {error}", file=sys.stderr)
    return 1


def _iso(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.exporting import export_iso

    name, out = args.metal_iso[0], Path(args.metal_iso[1])
    export_iso(site_of(args).snapshot(), name, identity_of(args), out)
    print(f"wrote {out} with the configuration of {name}: it holds its secrets in clear")
    print("boot Talos with talos.config=metal-iso and this medium attached")
    return 0


def _folder(args: argparse.Namespace) -> int:
    from bootgrant.service.commands.exporting import export_folder

    written, left = export_folder(site_of(args).snapshot(), args.folder)
    print(f"wrote {len(written)} configurations into {args.folder}: they hold their secrets in clear")
    for name, why in left:
        print(f"bootgrant: {name} was not written: {why}", file=sys.stderr)
    return 1 if left else 0
