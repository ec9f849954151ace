"""The ``bootgrant`` command: one module per command, imported when it is asked for.

A command's module has ``add_arguments(parser)`` and ``run(args) -> exit status``, and its docstring is its help.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Final

COMMANDS: Final[dict[str, str]] = {
    "acquire": "get this machine's configuration, as Talos does (RFC 8628 device flow)",
    "init": "make a working folder for a server: settings, keys, an operator, an example",
    "serve": "run the server: device authorization, approval pages, configurations",
    "migrate": "bring the database to this version's schema (PostgreSQL: before its servers start)",
    "pending": "list the machines that wait for a decision",
    "approve": "let a machine in, by the code on its screen",
    "deny": "refuse a machine, by the code on its screen",
    "revoke": "take an approval back, by the code: the machine's token is worth nothing from then on",
    "assign": "give a machine that the configurations do not know an entry",
    "unassign": "forget which entry was given to a machine",
    "arm": "expect machines: let so many of them in without a person, for a while",
    "disarm": "close an armed window before its time",
    "audit": "what happened: look, export, verify that nothing was changed",
    "operators": "who may sign in: add, list, set, disable, enable, reset",
    "tokens": "tokens for programs: add, list, revoke",
    "kernel-args": "print the kernel parameters for a server: as a line, for GRUB, iPXE, systemd-boot, Image Factory",
    "doctor": "play a machine end to end, without a machine, and say what would go wrong",
    "notify": "send a test to those who are told when machines wait",
    "check": "render and check every machine configuration, before a machine waits for it",
    "render": "print one machine configuration, with the layer that each value came from",
    "patch": "print a Talos configuration with patches applied, as talosctl does, and say what surprises",
    "machines": "list the entries; explain which one a machine gets, and why",
    "export": "write finished configurations to a medium or a folder, for machines that reach no server",
    "rehearse": "simulated machines, thousands of them: how this server will bear the next boot storm",
    "demo": "see it all on this computer: a server, a machine, an approval, the configuration",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (2: the command line is wrong)."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] not in COMMANDS:
        return _overview(words)
    module = importlib.import_module(f"bootgrant.cli.{words[0].replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"bootgrant {words[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    status: int = module.run(parser.parse_args(words[1:]))
    return status


def _overview(words: list[str]) -> int:
    from bootgrant import __version__

    parser = argparse.ArgumentParser(
        prog="bootgrant",
        description="OAuth2-authenticated machine configuration for bare metal.",
        epilog="bootgrant COMMAND --help tells more.",
    )
    parser.add_argument("--version", action="version", version=f"bootgrant {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    parser.parse_args(words)
    return 2
