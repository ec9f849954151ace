"""Make a machines folder from a project of TOPF or talhelper, and list what could not be carried over.

  bootgrant import topf DIR machines --recipient age1…
  bootgrant check --machines machines --age-identity-file identity.txt

DIR is the folder with topf.yaml or talconfig.yaml. The secrets of the cluster are encrypted for --recipient; without
it they are left out. A secrets bundle of SOPS is decrypted by `sops`. Nothing is overwritten. docs/import.md has more.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bootgrant.cli.arguments import add_json_argument
from bootgrant.cli.output import Refused, reporting, show


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
    add_json_argument(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.findings import SiteBroken
    from bootgrant.service.commands.importing import BadRecipient, ImportRefused, import_project

    try:
        written = import_project(args.tool, args.folder, args.out, args.recipient)
    except BadRecipient as bad:
        raise Refused("usage", f"--recipient: {bad}") from bad
    except (ImportRefused, SiteBroken) as refused:
        raise Refused("import_refused", str(refused)) from refused
    except OSError as error:
        raise Refused("no_file", f"{error.filename}: {error.strerror}; nothing was overwritten") from error
    lines = [f"wrote {len(written.paths)} files to {args.out}", *(f"note: {note}" for note in written.notes)]
    lines.append(f"next: bootgrant check --machines {args.out} --age-identity-file FILE")
    answer = {"folder": str(args.out), "files": list(map(str, written.paths)), "notes": list(map(str, written.notes))}
    return show(answer, "\n".join(lines), as_json=args.json)
