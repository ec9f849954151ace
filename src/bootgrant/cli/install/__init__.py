"""Write the files that belong outside the package to this system, or to one below --dest.

  bootgrant install initramfs-tools    the machine's half in the initramfs of Debian and Ubuntu
  bootgrant install dracut             the machine's half in the initramfs of Fedora, SUSE and others
  bootgrant install systemd            the machine's half as a unit, before cloud-init
  bootgrant install systemd-server     the units of the server
  bootgrant install completion         completion for bash, zsh and fish
  bootgrant install man                the manual
  bootgrant install proxies            configurations for nginx, Caddy, HAProxy and Traefik
  bootgrant install grafana            the dashboard for Grafana

The output ends with what to do next. Run the command again after an update. A file in /etc that was changed there is
kept, unless you add --overwrite.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bootgrant.cli.arguments import add_json_argument
from bootgrant.cli.install.kinds import KINDS, Wanted
from bootgrant.cli.install.writing import Outcome, write
from bootgrant.cli.output import Refused, reporting, show

_HIDDEN: Final = ("/home", "/root", "/run/user")
"""What a unit with ProtectHome=yes cannot see."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=tuple(KINDS), help="what to install")
    parser.add_argument(
        "--dest", type=Path, default=Path("/"), metavar="DIR",
        help="the root of the system to install to (default: %(default)s, this system)",
    )  # fmt: skip
    parser.add_argument(
        "--prefix", type=Path, default=Path("/usr/local"), metavar="DIR",
        help="below it are completion, man, proxies and grafana: /usr in a package, ~/.local for yourself "
        "(default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--program", type=Path, metavar="FILE",
        help="the bootgrant program that the units of systemd-server start (default: this one)",
    )  # fmt: skip
    parser.add_argument("--overwrite", action="store_true", help="replace files in /etc that were changed there")
    add_json_argument(parser)


@reporting
def run(args: argparse.Namespace) -> int:
    kind = KINDS[args.kind]
    program = str(args.program or Path(sys.prefix, "bin", "bootgrant"))
    if args.kind == "systemd-server":
        _check_program(program)
    wanted = Wanted(str(args.prefix.expanduser().absolute()).strip("/"), program)
    try:
        outcome = write(kind.pieces(wanted), args.dest, overwrite=args.overwrite)
    except OSError as error:
        problem = f"{error.filename or args.dest} cannot be written ({error.strerror or error})"
        raise Refused("not_written", f"{problem}: run this as root, or choose a folder with --dest") from error
    except subprocess.CalledProcessError as error:
        raise Refused("no_zipapp", "the machine's half could not be built; its message is above") from error
    root = f"{args.dest.absolute()}".rstrip("/") + "/"
    next_step = kind.next_step.format(root=root, prefix=wanted.prefix, program=program)
    answer = {name: [str(path) for path in getattr(outcome, name)] for name in ("written", "unchanged", "kept")}
    return show({**answer, "next": next_step}, "\n".join(_lines(outcome, next_step)), as_json=args.json)


def _check_program(program: str) -> None:
    """Refuse a program that the unit could not start. Raises Refused."""
    if any(program.startswith(f"{folder}/") for folder in _HIDDEN):
        raise Refused(
            "hidden_program",
            f"the unit cannot start {program}, because its sandbox hides home folders: install bootgrant in "
            "/opt/bootgrant (docs/install/python.md), or name another program with --program",
        )


def _lines(outcome: Outcome, next_step: str) -> Iterator[str]:
    yield from (f"wrote {path}" for path in outcome.written)
    if outcome.unchanged:
        yield f"{len(outcome.unchanged)} files are unchanged"
    yield from (f"kept {path}, which was changed here (--overwrite replaces it)" for path in outcome.kept)
    yield f"Next: {next_step}"
