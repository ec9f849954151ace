"""The ``bootgrant`` command. A command's module is imported only when that command runs.

A module is one command, with ``add_arguments(parser)`` and ``run(args) -> exit status``; or it has several such pairs
in ``COMMANDS``, by name. The docstring of the module, or of ``run`` in ``COMMANDS``, is the help.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from bootgrant.cli.parsing import CommandParser, did_you_mean, options_of
from bootgrant.cli.statuses import CLOSED_OUTPUT, INTERRUPTED, USAGE

SUMMARIES: Final[Mapping[str, tuple[str, str]]] = {
    "acquire": ("acquire", "get this machine's configuration the way Talos does (RFC 8628 device flow)"),
    "init": ("init", "create a working folder for a server: settings, keys, an operator, an example"),
    "serve": ("site", "run the server: device authorization, approval pages, configurations"),
    "reload": ("site", "start the installed version with the present settings, without a gap for machines"),
    "tls": ("tls", 'show, make, or replace the certificate authority of a site (tls.mode = "own")'),
    "migrate": ("site", "update the database to this version's schema (PostgreSQL: before its servers start)"),
    "backup": ("backup", "back up a site into one file, while its server runs"),
    "restore": ("backup", "restore a backup, or accept a database that is older than what its server has seen"),
    "status": ("client.status", "show what is waiting and what is wrong"),
    "health": ("client.health", "check that the server here works: for the health check of a container"),
    "pending": ("client.pending", "list the machines that are waiting for a decision"),
    "show": ("client.show", "show one request as the card does, by its code"),
    "preview": ("client.preview", "print the configuration that a waiting machine would get, by its code"),
    "approve": ("client.decide", "approve machines, by the codes on their screens"),
    "deny": ("client.decide", "deny a machine, by the code on its screen"),
    "undeny": ("client.decide", "take a denial back, by the code that was denied: the machine may ask at once"),
    "revoke": ("client.decide", "revoke an approval, by the machine's code: its token becomes invalid"),
    "assign": ("client.decide", "assign an entry to a machine that has none"),
    "unassign": ("client.decide", "remove the entry that was assigned to a machine"),
    "arm": ("client.decide", "approve a number of machines automatically, for a while"),
    "disarm": ("client.decide", "close an armed window early"),
    "audit": ("audit", "show, export, and verify the audit"),
    "operators": ("client.people", "manage operators: add, list, set, disable, enable, reset"),
    "tokens": ("client.people", "manage API tokens for programs: add, list, revoke"),
    "login": ("client.login", "log in to a server elsewhere, so that commands use it without --server"),
    "logout": ("client.login", "revoke the token of a login, and remove its profile"),
    "profiles": ("client.login", "list the servers that you have logged in to; choose the default one"),
    "kernel-args": (
        "kernel_args",
        "print a server's kernel parameters: one line, GRUB, iPXE, systemd-boot, Image Factory",
    ),
    "doctor": ("doctor", "play a machine from end to end and report what would go wrong"),
    "notify": ("site", "send a test message to the targets in [[notify]]"),
    "check": ("machines.check", "render and check every machine configuration"),
    "render": ("machines.render", "print one machine configuration, with the layer that each value came from"),
    "patch": ("machines.patch", "print a Talos configuration with patches applied, and warn about surprises"),
    "machines": ("revisions", "list the entries; explain which one a machine gets, and why; accept a refused commit"),
    "import": (
        "machines.importing",
        "make a machines folder from a project of TOPF or talhelper",
    ),
    "export": (
        "machines.render",
        "write configurations to a medium or a folder, for machines that cannot reach a server",
    ),
    "completion": ("completion", "print a script that completes commands and options in bash, zsh, or fish"),
    "install": ("install", "write units, hooks, completion, the manual, proxy files, and the dashboard to a system"),
    "rehearse": ("rehearse", "simulate thousands of machines to see how a server handles a boot storm"),
    "demo": ("demo", "see all of it on this computer: a server, a machine, an approval, the configuration"),
}
"""Each command's module below ``bootgrant.cli``, and its line in ``bootgrant --help``."""

EXTRAS: Final[Mapping[str, str]] = {
    "init": "server",
    "serve": "server",
    "reload": "server",
    "migrate": "server",
    "notify": "server",
    "tls": "server",
    "backup": "server",
    "restore": "server",
    "check": "server",
    "render": "server",
    "export": "server",
    "patch": "server",
    "import": "server",
    "demo": "server",
    "rehearse": "rehearse",
}
"""The commands that run only with an extra of the package. Others may use one, such as `machines` for a folder."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status (2: the command line is wrong)."""
    words = list(sys.argv[1:] if argv is None else argv)
    _open_closed_streams()
    try:
        try:
            return _run(words)
        finally:
            # Otherwise Python finds out only at its end that nobody reads any more, and prints a traceback.
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return CLOSED_OUTPUT
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _discard_output()
        print(f"bootgrant: {error.filename or 'the output'} cannot be written: {error.strerror}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_closed_streams() -> None:
    """Give a process that was started without standard streams (`>&-`) empty ones."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


def _discard_output() -> None:
    """Send what is still buffered nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        parser = overview()
        if words and words[0] not in options_of(parser):
            parser.error(f"unrecognized arguments: {words[0]}")
        parser.parse_args(words)
        return USAGE
    if words[0] not in SUMMARIES:
        hint = did_you_mean(words[0], list(SUMMARIES))
        print(f"bootgrant: {words[0]!r} is not a command{hint or '.'} `bootgrant --help` lists them", file=sys.stderr)
        return USAGE
    parser = CommandParser(f"bootgrant {words[0]}")
    run = fill(parser, words[0])
    if "--json" in words:
        parser.answer_in_json()
    args = parser.parse_args(words[1:], argparse.Namespace(words=words[1:]))
    try:
        _check_extra(words[0])
        return run(args)
    except ModuleNotFoundError as error:
        return _report_missing(error, words[0], as_json=getattr(args, "json", None) is True)


def _check_extra(name: str) -> None:
    """Raise ModuleNotFoundError if a command would find out in the middle that it cannot work."""
    if name in EXTRAS:
        from bootgrant.extras import missing_module

        if module := missing_module(EXTRAS[name]):
            raise ModuleNotFoundError(name=module)


def _report_missing(error: ModuleNotFoundError, name: str, *, as_json: bool) -> int:
    """Print which extra is not installed. Raises what was raised, if the module is in none."""
    from bootgrant.extras import EXTRAS as ALL
    from bootgrant.extras import advice, extra_with

    module = (error.name or "").partition(".")[0]
    extra = EXTRAS.get(name, "")
    if module not in ALL.get(extra, ()):
        extra = extra_with(module) or ""
    if not extra:
        raise error
    if as_json:
        import json

        print(json.dumps({"error": "missing_extra", "message": advice(extra, module)}))
    else:
        print(f"bootgrant {name}: {advice(extra, module)}", file=sys.stderr)
    return 1


def fill(parser: argparse.ArgumentParser, name: str) -> Callable[[argparse.Namespace], int]:
    """Import a command, give its parser the help and the arguments, and return what runs it."""
    module = importlib.import_module(f"bootgrant.cli.{SUMMARIES[name][0]}")
    if hasattr(module, "COMMANDS"):
        add_arguments, run = module.COMMANDS[name]
        text = inspect.getdoc(run)
    else:
        add_arguments, run, text = module.add_arguments, module.run, module.__doc__
    parser.description = text
    add_arguments(parser)
    chosen: Callable[[argparse.Namespace], int] = run
    return chosen


def overview(*, whole: bool = False) -> CommandParser:
    """Return the parser of `bootgrant --help`. The ``whole`` one knows the arguments of every command as well."""
    from bootgrant import __version__

    parser = CommandParser(
        prog="bootgrant",
        description="OAuth2-authenticated machine configuration for bare metal.",
        epilog="Run `bootgrant COMMAND --help` for the arguments of a command.",
    )
    parser.add_argument("--version", action="version", version=f"bootgrant {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (_, summary) in SUMMARIES.items():
        command = commands.add_parser(name, help=summary, add_help=whole)
        if whole:
            fill(command, name)
    return parser
