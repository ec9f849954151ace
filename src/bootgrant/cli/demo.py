"""See all of it on this computer: a server, a machine, an approval, the configuration delivered.

The server and the machine are the real commands, each in a process of its own, in a temporary folder that is removed
at the end. You approve in the browser or in another terminal. Without a terminal, or with --auto, the demo approves
through the admin socket, as `bootgrant approve` does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from bootgrant.acquire.console.wording import PREFIX
from bootgrant.cli.client.asking import ask_here
from bootgrant.cli.output import Json, Refused, fail
from bootgrant.cli.rehearsal_sites import NoRehearsal, ended, free_port, running_server

_UUID: Final = "40dcbd19-3b10-444e-bfff-aaee44a51fda"
_MAC: Final = "52:2f:fd:df:fc:c0"
_SHOWN_CODE: Final = re.compile(r"enter the code ([A-Z]{4}-[A-Z]{4})$")
_WAITING: Final = f"{PREFIX}[OAuth] waiting for the device to be authorized"


class DemoFailed(Exception):
    """What went wrong. The text ends with the output of the failing program."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--auto", action="store_true", help="approve automatically, even on a terminal")


def run(args: argparse.Namespace) -> int:
    from bootgrant.service.settings.site import SettingsError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in [name for name in os.environ if name.startswith("BOOTGRANT_")]:
        # Settings of another site, such as those of a container, are not those of the demo.
        del os.environ[name]
    try:
        with tempfile.TemporaryDirectory(prefix="bootgrant-demo-") as folder:
            _demo(Path(folder), auto=args.auto or not sys.stdin.isatty())
    except (DemoFailed, NoRehearsal, SettingsError) as error:
        return fail(error, "demo")
    except KeyboardInterrupt:
        print("\nstopped; nothing is left running", file=sys.stderr)
        return 130
    return 0


@dataclass(frozen=True, slots=True)
class _Demo:
    """Where things are while the demo runs."""

    folder: Path
    config: Path
    url: str

    @property
    def output(self) -> Path:
        return self.folder / "machine" / "config.yaml"

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "bootgrant", *words]


def _demo(folder: Path, *, auto: bool) -> None:
    from bootgrant.service.commands.init_site import init_site
    from bootgrant.service.system import SystemClock

    port = free_port()
    demo = _Demo(folder, folder / "bootgrant.toml", f"http://127.0.0.1:{port}")
    _say(f"1  A working folder: bootgrant init {folder}")
    made = init_site(folder, demo.url, f"127.0.0.1:{port}", "demo")
    _write_layers(folder / "machines")
    _say(f"2  The server: bootgrant serve --config {demo.config}")
    with running_server(demo.config, port):
        kernel = _kernel_parameters(demo.url)
        _say("3  A machine boots with these kernel parameters (`bootgrant acquire` plays it):")
        print("   " + "\n   ".join(kernel.split()), flush=True)
        demo.output.parent.mkdir()
        with _machine(demo, kernel) as machine:
            code = _code_of(machine)
            _say("4  A person approves")
            if auto:
                print("   There is no terminal, so the demo approves over the admin socket.", flush=True)
                _approve(demo, code)
            else:
                _show_ways(demo, code, made.operator, made.password.reveal())
            _repeat_until(machine, "")
            if machine.wait() != 0:
                raise DemoFailed("the machine did not get its configuration; its last line above says why")
            ended_at = SystemClock().now()
        _report(demo, code, ended_at)


def _write_layers(machines: Path) -> None:
    with resources.as_file(resources.files("bootgrant.cli") / "demo_machines") as example:
        shutil.copytree(example, machines, dirs_exist_ok=True)
        layers = [str(path.relative_to(example)) for path in sorted(example.rglob("*.*")) if path.parent != example]
    print(f"   One machine in machines.yaml, its configuration from {len(layers)} layers:", flush=True)
    print("   " + "  ".join(layers), flush=True)


def _kernel_parameters(url: str) -> str:
    """Those that `bootgrant kernel-args` prints."""
    from bootgrant.loaders.parameters import PLATFORM, BootParameters, config_url, endpoints

    variables = ("uuid", "mac")
    words = BootParameters(config_url(url, variables), *endpoints(url), "talos", variables, others=PLATFORM).words()
    return " ".join(words)


@contextlib.contextmanager
def _machine(demo: _Demo, kernel: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the machine. A phone cannot open 127.0.0.1, so there is no QR code to scan."""
    words = ("--cmdline", kernel, "--set", f"uuid={_UUID}", "--set", f"mac={_MAC}", "--output", str(demo.output))
    command = demo.command("acquire", *words, "--qr", "none", "--console", "plain")
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    with ended(machine), machine.stderr or contextlib.nullcontext():
        yield machine


def _code_of(machine: subprocess.Popen[bytes]) -> str:
    """Repeat what the machine prints until it waits for a person, and return the code in it."""
    printed = _repeat_until(machine, _WAITING)
    for line in printed:
        if found := _SHOWN_CODE.search(line):
            return found[1]
    raise DemoFailed("the machine did not request a code; its last line above says why")


def _repeat_until(machine: subprocess.Popen[bytes], start: str) -> list[str]:
    """Print the machine's lines up to the first that begins with ``start``, or all of them. Return them."""
    printed: list[str] = []
    for line in machine.stderr or ():
        printed.append(line.decode(errors="replace").rstrip())
        print(f"   {printed[-1]}", flush=True)
        if start and printed[-1].startswith(start):
            break
    return printed


def _approve(demo: _Demo, code: str) -> None:
    words = ("approve", code, "--config", str(demo.config))
    print(f"   $ bootgrant {shlex.join(words)}", flush=True)
    done = subprocess.run(demo.command(*words), check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise DemoFailed("the approval had no effect; the line above says why")


def _admin(demo: _Demo, path: str) -> Json:
    try:
        return ask_here(demo.config, "GET", path)
    except Refused as refused:
        raise DemoFailed(str(refused)) from refused


def _show_ways(demo: _Demo, code: str, operator: str, password: str) -> None:
    """Say what to do, after everything else that is printed before the approval: it stays on a small screen."""
    command = shlex.join([sys.argv[0] if Path(sys.argv[0]).name == "bootgrant" else "bootgrant"])
    print(f"   In a browser on this computer: open {demo.url}/device")
    print(f"   and type {code}; sign in as {operator} with the password {password}")
    print("   Or in another terminal:")
    print(f"   {command} approve {code} --config {demo.config}", flush=True)


def _report(demo: _Demo, code: str, ended_at: float) -> None:
    grant = _admin(demo, f"grants/{code}")
    _say("5  Delivered: the machine now has this configuration")
    print("   " + "\n   ".join(demo.output.read_text("utf-8").splitlines()))
    sent, ended = ((at - grant["decided_at"]) * 1000 for at in (grant["delivered_at"], ended_at))
    _say(
        f"From the approval to the configuration: sent after {sent:.0f} ms, "
        f"the machine's program finished after {ended:.0f} ms"
    )
    print("Next: `bootgrant init DIR` creates a site to keep; docs/start.md leads to a real machine.", flush=True)


def _say(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)
