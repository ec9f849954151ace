"""Print BASE with the patches applied, as `talosctl machineconfig patch` does.

A patch is part of a configuration (a strategic merge, with $patch: delete) or a list of JSON6902 operations. Warnings
about surprising effects go to standard error; the configuration is printed anyway. docs/composer.md explains the merge
rules.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bootgrant.cli.output import fail

if TYPE_CHECKING:
    from bootgrant.machines.talos.documents import Part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="the configuration; - reads standard input")
    parser.add_argument("patches", nargs="*", metavar="PATCH", help="patch files, applied in this order")
    parser.add_argument(
        "--composer", choices=("bootgrant", "talosctl"), default="bootgrant",
        help="what applies the patches: this program, or the installed talosctl (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--talos", metavar="RELEASE", default="",
        help="the Talos release to compose for, such as 1.12 (default: the newest one that this program knows); "
        "talosctl always composes for its own",
    )  # fmt: skip
    parser.add_argument(
        "--strict", action="store_true", help="treat a surprise as an error: status 3, and nothing is printed"
    )


def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.model import TALOS_RELEASES, Schema
    from bootgrant.machines.talos.documents import ComposeError
    from bootgrant.service.parts.machines import COMPOSERS

    if args.patches.count("-") + (args.base == "-") > 1:
        return fail("only one of BASE and PATCH can be - (standard input)")
    release = args.talos or TALOS_RELEASES[-1]
    if release not in TALOS_RELEASES:
        return fail(f"--talos: write one of {', '.join(TALOS_RELEASES)}")
    try:
        parts = [_read(name) for name in (args.base, *args.patches)]
        made = COMPOSERS[args.composer](Schema.TALOS, parts, release)
    except OSError as error:
        return fail(f"{error.filename}: {error.strerror}")
    except ComposeError as error:
        return fail(str(error))
    for surprise in made.surprises:
        what = f"{surprise.path} " if surprise.path else ""
        print(f"bootgrant: {surprise.part}: {what}{surprise.message}", file=sys.stderr)
    if args.strict and made.surprises:
        return 3
    sys.stdout.buffer.write(made.config)
    sys.stdout.buffer.flush()
    return 0


def _read(name: str) -> Part:
    from bootgrant.machines.talos.documents import Part
    from bootgrant.wire.limits import CONFIG

    if name == "-":
        return Part("standard input", sys.stdin.buffer.read(CONFIG + 1))
    with Path(name).open("rb") as file:
        return Part(name, file.read(CONFIG + 1))
