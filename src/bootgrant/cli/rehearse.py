"""Rehearse a boot storm: simulated machines request their configurations from a server and are approved; then a report.

Without --config and --url it starts its own temporary server. With --config it uses the running server of a site: its
operators see the machines in their queue (every UUID begins with b0075eed, every serial number with REHEARSAL-), each
machine has a configuration in the machines folder meanwhile, and only these machines are approved. With only --url,
someone else approves. The exit status is 0 if every machine got its own configuration.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import secrets
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bootgrant.cli.acquire import seconds
from bootgrant.cli.arguments import one_of
from bootgrant.cli.rehearsal_sites import (
    Approver,
    NoRehearsal,
    Target,
    check_aim,
    entries,
    find_target,
    own_server,
    sources_of,
)
from bootgrant.fleet.behaviour import Paths
from bootgrant.fleet.observations import Progress
from bootgrant.fleet.page import as_page
from bootgrant.fleet.rehearsal import Rehearsal, Site, holds_identity
from bootgrant.fleet.report import Report, as_json, as_text, build_report
from bootgrant.fleet.scenario import Curve, Decisions, Kind, Run, Scenario

_INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM)
_LIVE: Final = 0.2
_LOGGED: Final = 5.0
_SPARE_FILES: Final = 200
_MOST: Final = 1_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to rehearse")
    what.add_argument(
        "--machines", type=_count, default=100, metavar="N", help="the number of machines (default: %(default)s)"
    )
    what.add_argument(
        "--arrive", type=seconds, default=10.0, metavar="TIME", help="they arrive within this time (default: 10s)"
    )
    what.add_argument(
        "--curve",
        type=one_of(Curve),
        choices=list(Curve),
        default=Curve.EVEN,
        help="how they arrive (default: %(default)s)",
    )
    what.add_argument(
        "--as",
        dest="kind",
        type=one_of(Kind),
        choices=list(Kind),
        default=Kind.TALOS,
        help="what they run (default: talos)",
    )
    what.add_argument(
        "--decide-after", type=seconds, default=5.0, metavar="TIME",
        help="people decide this long after a code is shown (default: 5s)",
    )  # fmt: skip
    what.add_argument(
        "--batch", type=_batch, default=1, metavar="N", help="approve N together, or `all` (default: one by one)"
    )
    what.add_argument("--rate", type=float, default=0.0, metavar="N", help="people approve N machines a second")
    what.add_argument("--for", dest="limit", type=seconds, metavar="TIME", help="stop after this time at the latest")
    where = parser.add_argument_group("where")
    where.add_argument("--config", type=Path, metavar="FILE", help="use the running server of this bootgrant.toml")
    where.add_argument("--url", metavar="URL", help="where the machines ask (default with --config: its public_url)")
    where.add_argument("--client-id", default="talos", metavar="ID", help="default: %(default)s")
    where.add_argument("--from", dest="network", metavar="NETWORK", help="ask from the addresses of this network")
    where.add_argument("--yes", action="store_true", help="confirm a server that is not on loopback")
    out = parser.add_argument_group("the report")
    out.add_argument("--json", type=Path, metavar="FILE", help="also write it as JSON")
    out.add_argument("--html", type=Path, metavar="FILE", help="also write it as a page with plots")


def run(args: argparse.Namespace) -> int:
    from bootgrant.service.settings.site import SettingsError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _raise_file_limit(args.machines)
        return _rehearse(args)
    except (NoRehearsal, SettingsError) as error:
        print(f"bootgrant rehearse: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


def _rehearse(args: argparse.Namespace) -> int:
    run = Run(secrets.token_hex(4))
    with contextlib.ExitStack() as stack:
        target, folder = stack.enter_context(_server(args))
        if folder is not None:
            stack.enter_context(entries(folder, run, args.machines))
        paths = Paths(target.host, "/device/code", "/token", "/config?uuid=${uuid}", args.client_id)
        site = Site(target.address, paths, sources_of(args.network, target, args.machines))
        # Only this rehearsal knows its own temporary server.
        verify = args.config is not None
        approve = Approver(target.admin, run, verify=verify) if target.admin is not None else None
        check = holds_identity if folder is not None else lambda _identity, config: "" if config else "empty"
        rehearsal = Rehearsal(site, _scenario(args), run, check, approve)
        _say(f"run {run.name}: {args.machines} machines ask {target.url}")
        stopped = _run_until_interrupted(rehearsal)
        report = build_report(rehearsal.so_far(), run.name, target.url)
    _write(args, report)
    if stopped:
        return 130
    return 0 if report.complete else 1


def _run_until_interrupted(rehearsal: Rehearsal) -> bool:
    """Run the rehearsal. Return True if it was interrupted; what happened so far is still reported."""
    # Until the runner handles interrupts, one could be raised where Python ignores exceptions, and be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTS)
    import uvloop

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_shown(rehearsal))
    except KeyboardInterrupt:
        _say("interrupted; results so far:")
        return True
    return False


@contextlib.contextmanager
def _server(args: argparse.Namespace) -> Iterator[tuple[Target, Path | None]]:
    """The server, and the folder of its configurations if it is known here."""
    from bootgrant.service.settings.site import load_site

    if args.config is None and args.url is None:
        with own_server(args.machines) as own:
            yield own
        return
    if args.config is None:
        target, folder = find_target(args.url), None
    else:
        site = load_site(args.config, os.environ)
        target, folder = find_target(args.url or site.public_url, site.data / "admin.sock"), site.machines
    check_aim(target, args.machines, entries=folder, sure=args.yes)
    yield target, folder


def _scenario(args: argparse.Namespace) -> Scenario:
    decisions = Decisions(args.decide_after, args.batch, args.rate)
    deciding = args.machines / args.rate if args.rate else 0.0
    limit = args.limit or args.arrive + args.decide_after + deciding + 300.0
    return Scenario(args.machines, args.arrive, args.curve, decisions, args.kind, limit, args.client_id)


async def _shown(rehearsal: Rehearsal) -> None:
    """Run it and show its progress: one changing line on a terminal, otherwise a line every few seconds."""
    display = asyncio.create_task(_display(rehearsal))
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _INTERRUPTS)
        await rehearsal.go()
    finally:
        display.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await display


async def _display(rehearsal: Rehearsal) -> None:
    live = sys.stderr.isatty()
    try:
        while True:
            await asyncio.sleep(_LIVE if live else _LOGGED)
            line = progress_line(rehearsal.progress())
            print(f"\r{line}\033[K" if live else line, end="" if live else "\n", file=sys.stderr, flush=True)
    finally:
        if live:
            print(file=sys.stderr)


def progress_line(progress: Progress) -> str:
    """Describe the progress in one line."""
    problems = f"  problems {progress.problems}" if progress.problems else ""
    return (
        f"{progress.seconds:6.1f} s  asked {progress.shown}/{progress.machines}  approved {progress.approved}  "
        f"delivered {progress.delivered}  requests {progress.requests} ({progress.open} open){problems}"
    )


def _write(args: argparse.Namespace, report: Report) -> None:
    print(as_text(report), end="")
    try:
        if args.json:
            args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", "utf-8")
        if args.html:
            args.html.write_text(as_page(report), "utf-8")
    except OSError as error:
        raise NoRehearsal(f"{error.filename} cannot be written: {error.strerror}") from error


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _raise_file_limit(machines: int) -> None:
    """Raise the limit of open files: each waiting machine has one connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = machines + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise NoRehearsal(
                f"{machines} machines need {wanted} open files, but only {hard} are allowed: raise `ulimit -Hn`"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= _MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of machines: write 1 to {_MOST}")
    return int(text)


def _batch(text: str) -> int:
    return 0 if text == "all" else _count(text)
