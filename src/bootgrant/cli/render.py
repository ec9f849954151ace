"""Print the configuration of one entry, with the layer that each value came from, and its secrets blacked out.

--reveal shows the secrets; --reveal --plain is exactly what the machine gets. --diff shows what has changed since a
commit, secrets as labels by which one can see that they differ and no more.
"""

from __future__ import annotations

import argparse
import difflib
import sys

from bootgrant.cli.machine_arguments import add_identity_arguments, add_site_arguments, identity_of, say_broken, site_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the entry's name, or the file's in a folder of finished files")
    add_site_arguments(parser)
    parser.add_argument("--reveal", action="store_true", help="show secrets")
    parser.add_argument("--plain", action="store_true", help="without the layers beside the values")
    parser.add_argument("--diff", metavar="REV", help="what has changed since this commit of git")
    add_identity_arguments(parser)


def run(args: argparse.Namespace) -> int:
    from bootgrant.machines.site.findings import SiteBroken
    from bootgrant.service.commands.machines import NoSuchEntry
    from bootgrant.service.settings.site import SettingsError

    try:
        return _difference(args) if args.diff else _print(args)
    except SiteBroken as broken:
        return say_broken(broken)
    except (SettingsError, NoSuchEntry, ValueError) as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1


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
        print(f"bootgrant: warning: {finding}", file=sys.stderr)
    return 0


def _difference(args: argparse.Namespace) -> int:
    """The exit status is 0 also when something differs: whether it may, a person decides."""
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
        print(f"bootgrant: {args.name} is the same as at {args.diff}", file=sys.stderr)
    return 0
