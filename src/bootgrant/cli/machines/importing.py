"""Make a machines folder from a project of TOPF or talhelper, and list what could not be carried over.

  bootgrant import topf DIR machines --recipient age1…
  bootgrant check --machines machines --age-identity-file identity.txt

DIR is the folder with topf.yaml or talconfig.yaml. The secrets of the cluster are encrypted for --recipient; without
it they are left out. A secrets bundle of SOPS is decrypted by `sops`. Nothing is overwritten. docs/import.md has more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bootgrant.cli.output import fail


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tool", choices=("topf", "talhelper"), help="the tool that the project is for")
    parser.add_argument("folder", type=Path, metavar="DIR", help="the folder of the project")
    parser.add_argument(
        "out",
        type=Path,
        nargs="?",
        default=Path("machines"),
        metavar="OUT",
        help="the new folder (default: %(default)s)",
    )
    parser.add_argument(
        "--recipient", action="append", default=[], metavar="KEY",
        help="a public key of age or SSH for which secrets are encrypted (repeatable)",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.findings import SiteBroken
    from bootgrant.service.commands.importing import BadRecipient, ImportRefused, import_project

    try:
        written = import_project(args.tool, args.folder, args.out, args.recipient)
    except BadRecipient as bad:
        return fail(f"--recipient: {bad}")
    except (ImportRefused, SiteBroken) as refused:
        return fail(refused)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}; nothing was overwritten")
    print(f"wrote {len(written.paths)} files to {args.out}")
    for note in written.notes:
        print(f"note: {note}")
    print(f"next: bootgrant check --machines {args.out} --age-identity-file FILE")
    return 0
