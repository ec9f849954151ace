"""Send a test to those whom [[notify]] of bootgrant.toml names, and say how it went.

bootgrant notify test          all of them
bootgrant notify test NAME     one of them
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from bootgrant.cli.config_argument import add_config_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("test",), help="send a test; no machine waits and no server is needed")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the name, or the kind, of one of [[notify]]")
    add_config_argument(parser)


def run(args: argparse.Namespace) -> int:
    from bootgrant.service.parts.probes import send_tests
    from bootgrant.service.settings.site import SettingsError, load_site

    try:
        site = load_site(args.config, os.environ)
    except SettingsError as error:
        print(f"bootgrant: {error}", file=sys.stderr)
        return 1
    names = [target.name for target in site.notify]
    if args.name is not None and args.name not in names:
        known = f"there are: {', '.join(names)}" if names else "there is no [[notify]] in it"
        print(f"bootgrant: {args.config} has no [[notify]] called {args.name!r}; {known}", file=sys.stderr)
        return 1
    if not names:
        print(f"bootgrant: {args.config} has no [[notify]]; docs/notifications.md shows one", file=sys.stderr)
        return 1
    outcomes = asyncio.run(send_tests(site, args.name))
    for name, problem in outcomes.items():
        print(f"{name}: {f'not sent: {problem}' if problem else 'sent'}")
    return 1 if any(outcomes.values()) else 0
