"""Commands about a site's machine configurations, and the arguments that they share. No server needs to run."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from bootgrant.cli.arguments import add_config_argument
from bootgrant.cli.output import fail
from bootgrant.cli.output import reporting as command_reporting
from bootgrant.wire.identity import MachineIdentity

if TYPE_CHECKING:
    from bootgrant.service.commands.machines import SiteMachines


def add_site_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--config`` and ``--machines``."""
    add_config_argument(parser)
    add_folder_arguments(parser)


def add_folder_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--machines`` and what belongs to it."""
    parser.add_argument("--machines", type=Path, metavar="DIR", help="only a machines folder, without settings")
    parser.add_argument("--age-identity-file", type=Path, metavar="FILE", help="with --machines: decrypts .age files")
    parser.add_argument("--schema-file", type=Path, metavar="FILE", help="with --machines: your Talos version's schema")


def add_identity_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--uuid``, ``--serial``, ``--mac``, and ``--hostname``."""
    for name in MachineIdentity.NAMES:
        parser.add_argument(f"--{name}", metavar=name.upper(), help=f"the machine's {name}")


def identity_of(args: argparse.Namespace) -> MachineIdentity | None:
    """Return the machine that the arguments describe, or None. Raises ValueError for an unusable value."""
    given = {name: getattr(args, name) for name in MachineIdentity.NAMES if getattr(args, name)}
    identity = MachineIdentity.from_claim(given)
    for name, value in given.items():
        if not getattr(identity, name):
            raise ValueError(f"--{name}: {value!r} does not identify a machine (a placeholder, or mistyped)")
    return identity if given else None


def site_of(args: argparse.Namespace) -> SiteMachines:
    """Return the configurations that the arguments name. Raises SettingsError."""
    from bootgrant.service.commands.machines import SiteMachines, site_machines
    from bootgrant.service.settings.sections import MachineSettings, Secrets

    if args.machines is None:
        return site_machines(args.config, dict(os.environ))
    settings = MachineSettings(schema_file=args.schema_file, secrets=Secrets(age_identity_file=args.age_identity_file))
    return SiteMachines(args.machines, settings)


def reporting(run: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    """Make a command report what is wrong with the site or its arguments: with ``--json`` as JSON. Exit status 1."""

    @wraps(run)
    def reported(args: argparse.Namespace) -> int:
        from bootgrant.machines.site.findings import SiteBroken
        from bootgrant.service.commands.machines import NoSuchEntry, WorkerFailed
        from bootgrant.service.settings.site import SettingsError

        try:
            return run(args)
        except SiteBroken as broken:
            error, lines = "site_broken", list(map(str, broken.findings))
        except NoSuchEntry as missing:
            error, lines = "no_entry", [str(missing)]
        except SettingsError as wrong:
            error, lines = "no_site", [str(wrong)]
        except (WorkerFailed, ValueError) as wrong:
            error, lines = "failed", [str(wrong)]
        if getattr(args, "json", False):
            print(json.dumps({"error": error, "message": "\n".join(lines)}))
        else:
            for line in lines:
                fail(line)
        return 1

    return command_reporting(reported)
