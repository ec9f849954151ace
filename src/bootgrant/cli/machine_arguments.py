"""What the commands about machine configurations have in common: which site, which machine, what is told of it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bootgrant.cli.config_argument import add_config_argument
from bootgrant.wire.identity import MachineIdentity

if TYPE_CHECKING:
    from bootgrant.machines.site.findings import SiteBroken
    from bootgrant.service.commands.machines import SiteMachines


def add_site_arguments(parser: argparse.ArgumentParser) -> None:
    """``--config`` and ``--machines``."""
    add_config_argument(parser)
    parser.add_argument("--machines", type=Path, metavar="DIR", help="a machines folder alone, without settings")
    parser.add_argument("--age-identity-file", type=Path, metavar="FILE", help="with --machines: opens .age files")
    parser.add_argument("--schema-file", type=Path, metavar="FILE", help="with --machines: your Talos version's schema")


def add_identity_arguments(parser: argparse.ArgumentParser) -> None:
    """``--uuid`` and so on."""
    for name in MachineIdentity.NAMES:
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"the machine's {name}")


def identity_of(args: argparse.Namespace) -> MachineIdentity | None:
    """The machine that the arguments describe, None when they say nothing. Raises ValueError for what is no value."""
    given = {name: getattr(args, name) for name in MachineIdentity.NAMES if getattr(args, name)}
    identity = MachineIdentity.from_claim(given)
    for name, value in given.items():
        if not getattr(identity, name):
            raise ValueError(f"--{name}: {value!r} identifies no machine (junk, or mistyped)")
    return identity if given else None


def site_of(args: argparse.Namespace) -> SiteMachines:
    """Raises SettingsError."""
    from bootgrant.service.commands.machines import SiteMachines, site_machines
    from bootgrant.service.settings.sections import MachineSettings, Secrets

    if args.machines is None:
        return site_machines(args.config, dict(os.environ))
    settings = MachineSettings(schema_file=args.schema_file, secrets=Secrets(age_identity_file=args.age_identity_file))
    return SiteMachines(args.machines, settings)


def say_broken(broken: SiteBroken) -> int:
    """Every reason, on standard error; the exit status is 1."""
    for finding in broken.findings:
        print(f"bootgrant: {finding}", file=sys.stderr)
    return 1
