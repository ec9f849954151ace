"""Get this machine's configuration as a Talos node does: read the kernel command line, show a code, wait until a
person approves, download the configuration with the token and write it.

Messages go to standard error, the configuration to --output or standard output. The exit status is 0 if the
configuration was written. docs/acquire.md explains every flag, message and exit status.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bootgrant import __version__
from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline, parse_cmdline, read_cmdline
from bootgrant.acquire.console import Console, choose_console
from bootgrant.acquire.errors import AcquireError, ExitStatus
from bootgrant.acquire.options import ClientAuthChoice, Expect, OnDenial, Options, PkceChoice, TokenChoice

if TYPE_CHECKING:
    from bootgrant.acquire.sinks import Sink

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smh]))+")
_YEAR: Final = 365 * 86400.0
_SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_STOP_STATUS: Final = {signal.SIGINT: ExitStatus.INTERRUPTED, signal.SIGTERM: ExitStatus.TERMINATED}


class _Stopped(BaseException):
    """SIGINT or SIGTERM arrived."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def seconds(text: str) -> float:
    """Parse a duration such as 90s, 1h30m or 500ms, at most a year; a bare number is seconds."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        total = float(text)
    elif _DURATION.fullmatch(text):
        total = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smh])", text))
    else:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration (write 30s, 3m or 1h30m)")
    if total > _YEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is longer than a year")
    return total


def size(text: str) -> int:
    """Parse a number of bytes: 16777216, 16M, 64K."""
    match = re.fullmatch(r"(\d{1,12})([kmg]?)(?:i?b)?", text.lower())
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size (write 16M, or a number of bytes)")
    return int(match[1]) * _SIZES[match[2]]


def variable(text: str) -> tuple[str, str]:
    """Parse NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add all flags."""
    # The single file for machines has no other command that could say it.
    parser.add_argument("--version", action="version", version=f"bootgrant {__version__}", help="show the version")
    _add_input(parser.add_argument_group("input"))
    _add_output(parser.add_argument_group("output (at most one place)"))
    _add_provider(parser.add_argument_group("provider and server"))
    _add_limits(parser.add_argument_group("limits"))
    _add_screen(parser.add_argument_group("display"))


def _add_input(group: argparse._ArgumentGroup) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--cmdline", metavar="TEXT", help="use TEXT as the kernel command line")
    source.add_argument(
        "--cmdline-file",
        metavar="FILE",
        type=Path,
        default=Path("/proc/cmdline"),
        help="read the kernel command line from FILE (default: /proc/cmdline)",
    )
    group.add_argument(
        "--set", metavar="NAME=VALUE", type=variable, action="append", default=[], dest="given",
        help="set a variable: uuid, serial, mac, hostname or code (repeatable)",
    )  # fmt: skip
    group.add_argument("--code-file", metavar="FILE", type=Path, help="read the variable code from FILE")
    group.add_argument(
        "--root", metavar="DIR", type=Path, default=Path("/"), help="read /sys, /proc and /etc below DIR (default: /)"
    )
    group.add_argument("--explain", action="store_true", help="show what would happen, without sending anything")
    group.add_argument("--json", action="store_true", help="with --explain: print JSON")


def _add_output(group: argparse._ArgumentGroup) -> None:
    place = group.add_mutually_exclusive_group()
    place.add_argument("--output", metavar="FILE", type=Path, help="write a file, mode 0600 (default: standard output)")
    place.add_argument(
        "--nocloud", metavar="DIR", type=Path, nargs="?", const=Path("/var/lib/cloud/seed/nocloud"),
        help="write a NoCloud seed for cloud-init (default: /var/lib/cloud/seed/nocloud; and --expect user-data)",
    )  # fmt: skip
    place.add_argument("--ignition", metavar="FILE", type=Path, help="write an Ignition file (and --expect ignition)")
    place.add_argument(
        "--exec", metavar="COMMAND", dest="command", help="pass the configuration to a shell command on standard input"
    )
    group.add_argument("--force", action="store_true", help="fetch it even if the configuration is already there")
    group.add_argument(
        "--expect", choices=[kind.value for kind in Expect], help="kind of configuration to accept (default: any)"
    )


def _add_provider(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--issuer", metavar="URL", default="", help="find the endpoints there (RFC 8414, OpenID)")
    group.add_argument(
        "--token",
        choices=[choice.value for choice in TokenChoice],
        default="access",
        help="which of the provider's tokens to download with (default: access)",
    )
    group.add_argument(
        "--client-auth", choices=[choice.value for choice in ClientAuthChoice], default="auto",
        help="how to send the client secret (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--pkce", choices=[choice.value for choice in PkceChoice], default="auto",
        help="whether to use PKCE (default: auto, if the issuer announces it)",
    )  # fmt: skip
    group.add_argument(
        "--on-denial", choices=[choice.value for choice in OnDenial], default="retry",
        help="after a denial, pause and show a new code, or exit (default: retry)",
    )  # fmt: skip
    group.add_argument("--ca", metavar="FILE", type=Path, help="more certificate authorities to trust (PEM)")
    group.add_argument("--compat", choices=["talos"], help="behave exactly as Talos does, including its bugs")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timeout", metavar="TIME", type=seconds, default=3 * 3600.0, help="give up after this long (default: 3h)"
    )
    group.add_argument(
        "--attempt-timeout",
        metavar="TIME",
        type=seconds,
        default=180.0,
        help="limit for one download attempt; variables get half of it (default: 3m)",
    )
    group.add_argument(
        "--retry-pause", metavar="TIME", type=seconds, default=30.0,
        help="pause after a denial without a time, or with --compat talos after an expired code (default: 30s)",
    )  # fmt: skip
    group.add_argument("--max-size", metavar="SIZE", type=size, help="largest configuration to accept (default: 16M)")


def _add_screen(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--console", choices=["auto", "terminal", "plain", "kmsg"], default="auto",
        help="kind of display; kmsg writes to /dev/kmsg (default: auto, by what standard error is)",
    )  # fmt: skip
    group.add_argument("--log", choices=["text", "json"], default="text", help="json: one object per line")
    group.add_argument(
        "--qr",
        choices=["auto", "half", "full", "ascii", "none"],
        default="auto",
        help="style of the QR code (default: auto, by the size of the screen)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command. Returns the exit status (docs/acquire.md)."""
    for number in _STOP_STATUS:
        signal.signal(number, _stop)
    try:
        console = choose_console(
            "json" if args.log == "json" else args.console, sys.stderr, qr=args.qr, compat=args.compat is not None
        )
    except AcquireError as error:
        print(error, file=sys.stderr)
        return error.status
    try:
        return _run(args, console)
    except AcquireError as error:
        console.error(str(error))
        return error.status
    except _Stopped as stopped:
        _ignore_signals()
        name = signal.Signals(stopped.number).name
        console.error(f"stopped by {name}, nothing was delivered: start again to get a new code")
        return _STOP_STATUS[signal.Signals(stopped.number)]
    finally:
        _ignore_signals()
        console.close()


def _stop(number: int, _frame: object) -> NoReturn:
    _ignore_signals()
    raise _Stopped(number)


def _ignore_signals() -> None:
    for number in _STOP_STATUS:
        signal.signal(number, signal.SIG_IGN)


def _run(args: argparse.Namespace, console: Console) -> int:
    text = args.cmdline if args.cmdline is not None else read_cmdline(args.cmdline_file)
    cmdline = parse_cmdline(text)
    options = _options(args)
    if args.explain:
        return _explain(args, cmdline, options)
    if args.json:
        console.error("--json needs --explain; use --log json for messages in JSON")
        return ExitStatus.USAGE
    sink = _sink(args, cmdline, options)
    if (place := sink.already_there()) is not None and not args.force:
        console.info(f"this machine already has its configuration: {place} (use --force to replace it)")
        return ExitStatus.OK
    if args.compat is not None:
        from bootgrant.acquire.talos.metal import run_as_talos

        return run_as_talos(cmdline, options, console, sink)
    from bootgrant.acquire.acquisition import Acquisition

    found = Acquisition(cmdline, options, console).run()
    place = sink.write(found.content)
    console.info(f"delivered to {place}")
    return ExitStatus.OK


def _options(args: argparse.Namespace) -> Options:
    by_place = {Expect.IGNITION: args.ignition, Expect.USER_DATA: args.nocloud}
    implied = next((kind for kind, place in by_place.items() if place is not None), Expect.ANY)
    return Options(
        given=dict(args.given),
        code_file=args.code_file,
        root=args.root,
        timeout=args.timeout,
        attempt_timeout=args.attempt_timeout,
        retry_pause=args.retry_pause,
        token=TokenChoice(args.token),
        issuer=args.issuer,
        client_auth=ClientAuthChoice(args.client_auth),
        pkce=PkceChoice(args.pkce),
        on_denial=OnDenial(args.on_denial),
        ca=args.ca,
        expect=Expect(args.expect) if args.expect is not None else implied,
        environ=os.environ,
        **({} if args.max_size is None else {"max_size": args.max_size}),
    )


def _sink(args: argparse.Namespace, cmdline: KernelCmdline, options: Options) -> Sink:
    from bootgrant.acquire.sinks import files, streams

    if args.output is not None:
        return files.FileSink(args.output)
    if args.nocloud is not None:
        from bootgrant.acquire.facts import MachineFacts

        uuid = MachineFacts(options.root, cmdline, options.given).read("uuid")
        return files.NoCloudSink(args.nocloud, instance_id=uuid.value if uuid is not None else "")
    if args.ignition is not None:
        return files.IgnitionSink(args.ignition)
    if args.command is not None:
        return streams.CommandSink(args.command)
    return streams.StdoutSink()


def _explain(args: argparse.Namespace, cmdline: KernelCmdline, options: Options) -> int:
    from bootgrant.acquire.cmdline.explain import explain
    from bootgrant.acquire.facts import MachineFacts

    compat = args.compat is not None
    facts = MachineFacts(options.root, cmdline, options.given, options.code_file, compat=compat)
    explanation = explain(cmdline, facts, compat=compat)
    if args.json:
        import json

        print(json.dumps(explanation.as_json(), indent=2))
    else:
        print("\n".join(explanation.lines()))
    return ExitStatus.OK if explanation.error is None else explanation.error.status
