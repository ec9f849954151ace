"""Play a machine from end to end and report what would go wrong: parameters, DNS, TLS, clock, codes, polls, token
check, configuration. It approves nothing and fetches no configuration with a valid token. One request remains and
expires. docs/doctor.md lists the findings.

Exit status: 0 a machine gets through, 1 it does not (with --strict: or there is a warning), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bootgrant.acquire.clock import SystemClock
from bootgrant.acquire.cmdline.kernel_cmdline import read_cmdline
from bootgrant.acquire.errors import AcquireError
from bootgrant.acquire.facts import check_names
from bootgrant.acquire.http.tls import client_context
from bootgrant.cli.acquire import seconds, variable
from bootgrant.cli.statuses import USAGE
from bootgrant.doctor.findings import Finding, Level, Report, Step
from bootgrant.loaders.parameters import PLATFORM, BootParameters, config_url, endpoints
from bootgrant.loaders.urls import CannotWrite

if TYPE_CHECKING:
    from bootgrant.doctor.examination import Examination
    from bootgrant.service.settings.site import Site


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_argument_group("what to check (one of these)")
    one = what.add_mutually_exclusive_group(required=True)
    one.add_argument("url", nargs="?", metavar="URL", help="a bootgrant server: https://boot.example.org")
    one.add_argument("--cmdline", metavar="TEXT", help="a kernel command line")
    one.add_argument(
        "--cmdline-file", type=Path, metavar="FILE", help="a file with a kernel command line, such as /proc/cmdline"
    )
    one.add_argument("--config", type=Path, metavar="FILE", help="the server that this bootgrant.toml describes")
    machine = parser.add_argument_group("the machine")
    machine.add_argument(
        "--client-id",
        metavar="ID",
        help="with URL (default: talos) and --config (default: the first client without a secret)",
    )
    machine.add_argument(
        "--set", metavar="NAME=VALUE", type=variable, action="append", default=[], dest="given",
        help="a variable: uuid, serial, mac, hostname, or code (default: a value that belongs to no machine)",
    )  # fmt: skip
    machine.add_argument("--ca", type=Path, metavar="FILE", help="a private authority (PEM)")
    machine.add_argument(
        "--issuer", default="", metavar="URL", help="where the provider's metadata is, if not at the root"
    )
    machine.add_argument(
        "--patience", type=seconds, default=65.0, metavar="TIME",
        help="how long to wait for a held request (default: 65s)",
    )  # fmt: skip
    machine.add_argument(
        "--no-platform",
        action="store_true",
        help="the machine runs another Linux with `bootgrant acquire`, which needs no talos.platform=metal",
    )
    machine.add_argument(
        "--approval", type=seconds, default=0.0, metavar="TIME",
        help="wait this long until a person approves the doctor's code, and check how long its token is valid",
    )  # fmt: skip
    out = parser.add_argument_group("the result")
    out.add_argument("--json", action="store_true", help="print JSON for programs")
    out.add_argument("--strict", action="store_true", help="exit with 1 for warnings as well")


def run(args: argparse.Namespace) -> int:
    from bootgrant.service.settings.site import SettingsError

    try:
        about, cmdline, more = _subject(args)
        examination = _examination(args)
        examination.findings += more
        stopped = _interrupted(examination, cmdline)
    except (AcquireError, CannotWrite, SettingsError) as error:
        if args.json:
            print(json.dumps({"error": "usage", "message": str(error)}))
        else:
            print(f"bootgrant doctor: {error}", file=sys.stderr)
        return USAGE
    report = Report(about, examination.findings, examination.pending, not stopped)
    if args.json:
        print(json.dumps(report.as_json(), indent=2))
    else:
        print("\n".join(report.lines()))
    return 130 if stopped else int(bool(report.count(Level.ERROR) or (args.strict and report.count(Level.WARNING))))


def _interrupted(examination: Examination, cmdline: str) -> bool:
    """Run the examination. Return True if it was interrupted; its findings so far are still reported."""
    try:
        examination.run(cmdline)
    except KeyboardInterrupt:
        print("\ninterrupted; findings so far:", file=sys.stderr)
        return True
    return False


def _subject(args: argparse.Namespace) -> tuple[str, str, list[Finding]]:
    """Return what to check, its kernel command line, and the findings about a site's settings."""
    if args.cmdline is not None:
        return "this kernel command line", args.cmdline, []
    if args.cmdline_file is not None:
        return str(args.cmdline_file), read_cmdline(args.cmdline_file), []
    if args.config is not None:
        from bootgrant.cli.kernel_args import public_client
        from bootgrant.doctor.parameters import examine_networks
        from bootgrant.loaders.private_ca import early_value
        from bootgrant.service.commands.own_authority import authority_pem
        from bootgrant.service.settings.site import load_site

        site = load_site(args.config, os.environ)
        client_id = public_client(site) if args.client_id is None else args.client_id
        authority = authority_pem(site)
        cmdline = _parameters(site.public_url, client_id, early_value(authority) if authority else "")
        return str(args.config), cmdline, [*examine_networks(site.networks.machines), *_providers(site)]
    if "talos." in args.url:
        raise CannotWrite("that is not the URL of a server: pass a kernel command line with --cmdline")
    return args.url, _parameters(args.url, "talos" if args.client_id is None else args.client_id), []


def _providers(site: Site) -> Iterator[Finding]:
    """Examine the identity providers of a site."""
    from bootgrant.service.parts.probes import examine_providers

    for one in asyncio.run(examine_providers(site)):
        step = Step.SIGN_IN if one.signs_in else Step.PROVIDERS
        for remark in one.remarks:
            is_named = remark.message.startswith(f"provider {one.name}")
            message = remark.message if is_named else f"{one.name}: {remark.message}"
            yield Finding(step, Level(remark.grade.value), remark.code, message, remark.fix)


def _parameters(server: str, client_id: str, early: str = "") -> str:
    """Return what `bootgrant kernel-args` prints for a server."""
    variables = ("uuid", "mac")
    device, token = endpoints(server)
    url = config_url(server, variables)
    found = BootParameters(url, device, token, client_id, variables, early=early, others=PLATFORM)
    return " ".join(found.words())


def _examination(args: argparse.Namespace) -> Examination:
    from bootgrant.doctor.examination import Examination, Options
    from bootgrant.doctor.parameters import own_identity

    given = dict(args.given)
    check_names(given)
    client_context(args.ca)
    wrong_token = f"bootgrant-doctor-{secrets.token_urlsafe(24)}"
    values = own_identity(socket.gethostname()) | given
    options = Options(values, wrong_token, args.ca, args.issuer, args.patience, not args.no_platform, args.approval)
    return Examination(options, SystemClock(), _say if sys.stderr.isatty() else lambda _text: None)


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr, flush=True)
