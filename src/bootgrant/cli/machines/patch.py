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

from bootgrant.cli.arguments import add_json_argument
from bootgrant.cli.output import Refused, reporting, show

if TYPE_CHECKING:
    from bootgrant.machines.talos.composing import Composed
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
    add_json_argument(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.model import TALOS_RELEASES
    from bootgrant.machines.talos.documents import ComposeError
    from bootgrant.service.commands.machines import WorkerFailed, patched

    if args.patches.count("-") + (args.base == "-") > 1:
        raise Refused("usage", "only one of BASE and PATCH can be - (standard input)")
    release = args.talos or TALOS_RELEASES[-1]
    if release not in TALOS_RELEASES:
        raise Refused("usage", f"--talos: write one of {', '.join(TALOS_RELEASES)}")
    try:
        parts = [_read(name) for name in (args.base, *args.patches)]
        made = patched(args.composer, parts, release)
    except OSError as error:
        raise Refused("no_file", f"{error.filename}: {error.strerror}") from error
    except (ComposeError, WorkerFailed) as error:
        raise Refused("failed", str(error)) from error
    if args.json:
        return _as_json(made, is_strict=args.strict)
    for surprise in made.surprises:
        what = f"{surprise.path} " if surprise.path else ""
        print(f"bootgrant: {surprise.part}: {what}{surprise.message}", file=sys.stderr)
    if args.strict and made.surprises:
        return 3
    sys.stdout.buffer.write(made.config)
    sys.stdout.buffer.flush()
    return 0


def _as_json(made: Composed, *, is_strict: bool) -> int:
    surprises = [{"part": one.part, "path": one.path, "message": one.message} for one in made.surprises]
    is_refused = bool(is_strict and surprises)
    show({"text": None if is_refused else made.config.decode(), "surprises": surprises}, "", as_json=True)
    return 3 if is_refused else 0


def _read(name: str) -> Part:
    from bootgrant.machines.talos.documents import Part
    from bootgrant.wire.limits import CONFIG

    if name == "-":
        return Part("standard input", sys.stdin.buffer.read(CONFIG + 1))
    with Path(name).open("rb") as file:
        return Part(name, file.read(CONFIG + 1))
