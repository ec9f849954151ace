"""Get this machine's configuration as a Talos node does: read the kernel command line, show a code, wait until a
person approves, download with the token, and put the configuration where it belongs.

Messages go to standard error, the configuration to --output (or standard output). Exit status 0 means it is there.
docs/acquire.md explains every flag, message and exit status.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline, parse_cmdline, read_cmdline
from bootgrant.acquire.console import Console, choose_console
from bootgrant.acquire.errors import AcquireError, ExitStatus
from bootgrant.acquire.expect import Expect
from bootgrant.acquire.options import ClientAuthChoice, OnDenial, Options, PkceChoice, TokenChoice

if TYPE_CHECKING:
    from bootgrant.acquire.sinks import Sink

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smh]))+")
_YEAR: Final = 365 * 86400.0
_SIZES: Final = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_STOP_STATUS: Final = {signal.SIGINT: ExitStatus.INTERRUPTED, signal.SIGTERM: ExitStatus.TERMINATED}


class _Stopped(BaseException):
    """SIGINT or SIGTERM came."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def seconds(text: str) -> float:
    """A duration such as 90s, 1h30m or 500ms; a bare number is seconds. At most a year."""
    if re.fullmatch(r"\d+(?:\.\d+)?", text):
        total = float(text)
    elif _DURATION.fullmatch(text):
        total = sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(ms|[smh])", text))
    else:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 30s, 3m or 1h30m")
    if total > _YEAR:
        raise argparse.ArgumentTypeError(f"{text!r} is more than a year")
    return total


def size(text: str) -> int:
    """A number of bytes: 16777216, 16M, 64K."""
    match = re.fullmatch(r"(\d{1,12})([kmg]?)(?:i?b)?", text.lower())
    if match is None or int(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 16M or a number of bytes")
    return int(match[1]) * _SIZES[match[2]]


def variable(text: str) -> tuple[str, str]:
    """NAME=VALUE."""
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The whole command line."""
    _add_input(parser.add_argument_group("what is asked"))
    _add_output(parser.add_argument_group("where the configuration goes (one of them)"))
    _add_provider(parser.add_argument_group("the provider and the server"))
    _add_limits(parser.add_argument_group("limits"))
    _add_screen(parser.add_argument_group("the screen"))


def _add_input(group: argparse._ArgumentGroup) -> None:
    source = group.add_mutually_exclusive_group()
    source.add_argument("--cmdline", metavar="TEXT", help="use TEXT as the kernel command line")
    source.add_argument(
        "--cmdline-file",
        metavar="FILE",
        type=Path,
        default=Path("/proc/cmdline"),
        help="read it from FILE (default: /proc/cmdline)",
    )
    group.add_argument(
        "--set", metavar="NAME=VALUE", type=variable, action="append", default=[], dest="given",
        help="a variable by hand: uuid, serial, mac, hostname or code; repeat it for more",
    )  # fmt: skip
    group.add_argument("--code-file", metavar="FILE", type=Path, help="read the variable code from FILE")
    group.add_argument(
        "--root", metavar="DIR", type=Path, default=Path("/"), help="read /sys, /proc and /etc below DIR (default: /)"
    )
    group.add_argument("--explain", action="store_true", help="say what would happen, send nothing")
    group.add_argument("--json", action="store_true", help="with --explain: as JSON")


def _add_output(group: argparse._ArgumentGroup) -> None:
    place = group.add_mutually_exclusive_group()
    place.add_argument("--output", metavar="FILE", type=Path, help="a file, mode 0600 (default: standard output)")
    place.add_argument(
        "--nocloud", metavar="DIR", type=Path, nargs="?", const=Path("/var/lib/cloud/seed/nocloud"),
        help="a NoCloud seed for cloud-init (default: /var/lib/cloud/seed/nocloud)",
    )  # fmt: skip
    place.add_argument("--ignition", metavar="FILE", type=Path, help="an Ignition file; implies --expect ignition")
    place.add_argument(
        "--exec", metavar="COMMAND", dest="command", help="give it to a shell command on its standard input"
    )
    group.add_argument("--force", action="store_true", help="ask even when the configuration is there already")
    group.add_argument(
        "--expect", choices=[kind.value for kind in Expect], help="deliver only what is of this kind (default: any)"
    )


def _add_provider(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--issuer", metavar="URL", default="", help="find the endpoints there (RFC 8414, OpenID)")
    group.add_argument(
        "--token",
        choices=[choice.value for choice in TokenChoice],
        default="access",
        help="which of the provider's tokens opens the configuration (default: access)",
    )
    group.add_argument(
        "--client-auth", choices=[choice.value for choice in ClientAuthChoice], default="auto",
        help="how to send the client secret (default: auto)",
    )  # fmt: skip
    group.add_argument(
        "--pkce", choices=[choice.value for choice in PkceChoice], default="auto",
        help="PKCE; auto: when the issuer announces it",
    )  # fmt: skip
    group.add_argument(
        "--on-denial", choices=[choice.value for choice in OnDenial], default="retry",
        help="after a denial: pause and ask again (default), or exit",
    )  # fmt: skip
    group.add_argument(
        "--ca", metavar="FILE", type=Path, help="certificate authorities to trust besides the system's (PEM)"
    )
    group.add_argument("--compat", choices=["talos"], help="send, say and fail exactly as Talos does")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--timeout", metavar="TIME", type=seconds, default=3 * 3600.0, help="give up after this long (default: 3h)"
    )
    group.add_argument(
        "--attempt-timeout",
        metavar="TIME",
        type=seconds,
        default=180.0,
        help="one download attempt; variables are waited for half as long (default: 3m)",
    )
    group.add_argument(
        "--retry-pause", metavar="TIME", type=seconds, default=30.0,
        help="before a new code after a denial; with --compat talos after an expired code (default: 30s)",
    )  # fmt: skip
    group.add_argument(
        "--max-size", metavar="SIZE", type=size, help="the largest configuration that is taken (default: 16M)"
    )


def _add_screen(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--console", choices=["auto", "terminal", "plain", "kmsg"], default="auto",
        help="what standard error is; kmsg writes to /dev/kmsg (default: auto)",
    )  # fmt: skip
    group.add_argument("--log", choices=["text", "json"], default="text", help="json: one object per message and line")
    group.add_argument(
        "--qr",
        choices=["auto", "half", "full", "ascii", "none"],
        default="auto",
        help="the QR code's style (default: auto, by the size of the screen)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it. Returns the exit status (docs/acquire.md)."""
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
        console.error(f"stopped by {name}: nothing was delivered, start it again to ask anew")
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
        console.error("--json goes with --explain; for messages in JSON use --log json")
        return ExitStatus.USAGE
    sink = _sink(args, cmdline, options)
    if (place := sink.already_there()) is not None and not args.force:
        console.info(f"this machine has its configuration already: {place} (--force asks anyway)")
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
    implied = Expect.IGNITION if args.ignition is not None else Expect.ANY
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
    from bootgrant.acquire import sinks

    if args.output is not None:
        return sinks.file_sink(args.output)
    if args.nocloud is not None:
        from bootgrant.acquire.facts import MachineFacts

        uuid = MachineFacts(options.root, cmdline, options.given).read("uuid")
        return sinks.nocloud_sink(args.nocloud, instance_id=uuid.value if uuid is not None else "")
    if args.ignition is not None:
        return sinks.ignition_sink(args.ignition)
    if args.command is not None:
        return sinks.exec_sink(args.command)
    return sinks.stdout_sink()


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
