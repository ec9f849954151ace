"""See all of it on this computer: a server, a machine, an approval, the configuration delivered.

The server and the machine are the real commands, each in a process of its own, in a temporary folder that is removed
at the end. You approve in the browser or in another terminal. Without a terminal, or with --auto, the demo approves
through the admin socket, as `bootgrant approve` does.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from bootgrant.cli.client.asking import ask_here
from bootgrant.cli.output import Json, Refused, fail
from bootgrant.cli.rehearsal_sites import NoRehearsal, ended, free_port, running_server

_UUID = "40dcbd19-3b10-444e-bfff-aaee44a51fda"
_MAC = "52:2f:fd:df:fc:c0"
_START_LIMIT = 20.0


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
        _say("4  A person approves")
        if auto:
            print("   There is no terminal, so the demo approves over the admin socket.", flush=True)
        else:
            _show_ways(demo, made.operator, made.password.reveal())
        demo.output.parent.mkdir()
        with _machine(demo, kernel) as machine:
            code = _wait_for_code(demo, machine)
            if auto:
                _approve(demo, code)
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
    """The parameters of a real machine. Both endpoints are named, so a path in the URL would not matter."""
    return (
        f"talos.platform=metal talos.config={url}/config?uuid=${{uuid}} talos.config.oauth.client_id=talos "
        f"talos.config.oauth.device_auth_url={url}/device/code talos.config.oauth.token_url={url}/token "
        "talos.config.oauth.extra_variable=uuid talos.config.oauth.extra_variable=mac"
    )


@contextlib.contextmanager
def _machine(demo: _Demo, kernel: str) -> Iterator[subprocess.Popen[bytes]]:
    words = ("--cmdline", kernel, "--set", f"uuid={_UUID}", "--set", f"mac={_MAC}", "--output", str(demo.output))
    machine = subprocess.Popen(demo.command("acquire", *words), stdin=subprocess.DEVNULL)
    with ended(machine):
        yield machine


def _wait_for_code(demo: _Demo, machine: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + _START_LIMIT
    while time.monotonic() < until and machine.poll() is None:
        if waiting := _admin(demo, "pending")["pending"]:
            code: str = waiting[0]["code"]
            return code
        time.sleep(0.1)
    raise DemoFailed("the machine did not request a code; its last line above says why")


def _approve(demo: _Demo, code: str) -> None:
    # Give the machine time to show its code first.
    time.sleep(1)
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


def _show_ways(demo: _Demo, operator: str, password: str) -> None:
    command = shlex.join([sys.argv[0] if Path(sys.argv[0]).name == "bootgrant" else "bootgrant"])
    print(f"   In the browser: open {demo.url}/device (or scan the QR code below), type the machine's code;")
    print(f"   sign in as {operator} with the password {password}")
    print(f"   or in another terminal: {command} approve CODE --config {demo.config}", flush=True)


def _report(demo: _Demo, code: str, ended_at: float) -> None:
    grant = _admin(demo, f"grants/{code}")
    _say("5  Delivered: the machine now has this configuration")
    print("   " + "\n   ".join(demo.output.read_text("utf-8").splitlines()))
    sent, ended = ((at - grant["decided_at"]) * 1000 for at in (grant["delivered_at"], ended_at))
    _say(
        f"From the approval to the configuration: sent after {sent:.0f} ms, "
        f"the machine's program finished after {ended:.0f} ms"
    )
    print("Next: `bootgrant init DIR` creates a site to keep. The README has the kernel parameters for Talos,")
    print("docs/operators.md is for operators, docs/acquire.md describes the machine's half.", flush=True)


def _say(text: str) -> None:
    bold, plain = ("\033[1m", "\033[0m") if sys.stdout.isatty() and os.environ.get("TERM") != "dumb" else ("", "")
    print(f"\n{bold}{text}{plain}", flush=True)
