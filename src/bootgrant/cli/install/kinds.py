"""What can be installed: the files of each kind, and what to do next."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.cli.install.source import PACKAGING
from bootgrant.cli.install.writing import Piece

_LIBRARY: Final = "usr/lib/bootgrant"
_UNITS: Final = "etc/systemd/system"
_CONFIGURED: Final = "check {root}etc/bootgrant/acquire.conf, then run: "
_DOCUMENTED_PROGRAM: Final = "/opt/bootgrant/bin/bootgrant"


@dataclass(frozen=True, slots=True)
class Wanted:
    """``prefix``: below it are the files that the system finds in several places. ``program``: what units start."""

    prefix: str
    program: str


@dataclass(frozen=True, slots=True)
class Kind:
    """``next_step`` may name ``{root}``, ``{prefix}`` and ``{program}``."""

    summary: str
    pieces: Callable[[Wanted], Iterator[Piece]]
    next_step: str


def _copied(source: str, place: str) -> Iterator[Piece]:
    """The files in a folder of packaging/, or one file. A shell script can be run."""
    path = PACKAGING / source
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path) if path.is_dir() else Path(file.name)
        content = file.read_bytes()
        yield Piece(f"{place}/{name}", content, 0o755 if content.startswith(b"#!/bin/") else 0o644)


def _machine_half() -> Iterator[Piece]:
    yield Piece(f"{_LIBRARY}/bootgrant-acquire.pyz", _zipapp())
    yield from _copied("initramfs", _LIBRARY)
    yield from _copied("acquire.conf", "etc/bootgrant")


def _zipapp() -> bytes:
    """Build the machine's half in one file, in a process whose hashes are fixed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "bootgrant-acquire.pyz")
        subprocess.run([sys.executable, "-P", "-m", "bootgrant.cli.install.zipapp", str(out)], check=True)
        return out.read_bytes()


def _initramfs_tools(_: Wanted) -> Iterator[Piece]:
    yield from _machine_half()
    yield from _copied("initramfs-tools", "etc/initramfs-tools")


def _dracut(_: Wanted) -> Iterator[Piece]:
    yield from _machine_half()
    yield from _copied("dracut", "usr/lib/dracut/modules.d")


def _systemd(_: Wanted) -> Iterator[Piece]:
    yield from _machine_half()
    yield from _copied("systemd/early-network", _LIBRARY)
    yield from _copied("systemd/bootgrant-acquire.service", _UNITS)


def _server(wanted: Wanted) -> Iterator[Piece]:
    unit = (PACKAGING / "systemd/bootgrant.service").read_text("utf-8")
    yield Piece(f"{_UNITS}/bootgrant.service", unit.replace(_DOCUMENTED_PROGRAM, wanted.program).encode())
    yield from _copied("systemd/bootgrant.socket", _UNITS)
    yield from _copied("systemd/bootgrant-people.socket", _UNITS)


def _completion(wanted: Wanted) -> Iterator[Piece]:
    from bootgrant.cli.completion import script

    share = f"{wanted.prefix}/share"
    for shell, place in (
        ("bash", "bash-completion/completions/bootgrant"),
        ("zsh", "zsh/site-functions/_bootgrant"),
        ("fish", "fish/vendor_completions.d/bootgrant.fish"),
    ):
        yield Piece(f"{share}/{place}", f"{script(shell)}\n".encode())


def _manual(wanted: Wanted) -> Iterator[Piece]:
    from bootgrant.cli.install.manual import pages, today

    for name, text in pages(today()).items():
        yield Piece(f"{wanted.prefix}/share/man/man1/{name}", text.encode("ascii"))


def _proxies(wanted: Wanted) -> Iterator[Piece]:
    yield from _copied("proxies", f"{wanted.prefix}/share/bootgrant/proxies")


def _dashboard(wanted: Wanted) -> Iterator[Piece]:
    yield from _copied("grafana", f"{wanted.prefix}/share/bootgrant/grafana")


KINDS: Final[Mapping[str, Kind]] = {
    "initramfs-tools": Kind(
        "the machine's half in the initramfs of Debian and Ubuntu",
        _initramfs_tools,
        f"{_CONFIGURED}update-initramfs -u",
    ),
    "dracut": Kind(
        "the machine's half in the initramfs of Fedora, SUSE and others",
        _dracut,
        f"{_CONFIGURED}dracut --force --add bootgrant",
    ),
    "systemd": Kind(
        "the machine's half as a unit, before cloud-init",
        _systemd,
        f"{_CONFIGURED}systemctl enable bootgrant-acquire.service",
    ),
    "systemd-server": Kind(
        "the units of the server",
        _server,
        "if there is no user and no site yet, make them:\n"
        "  useradd --system --home-dir /var/lib/bootgrant --create-home bootgrant\n"
        "  sudo -u bootgrant {program} init /var/lib/bootgrant --public-url https://boot.example.org\n"
        "then run: systemctl enable --now bootgrant.socket bootgrant.service",
    ),
    "completion": Kind(
        "completion for bash, zsh and fish", _completion, "open a new shell, and press Tab after bootgrant"
    ),
    "man": Kind("the manual", _manual, "run: man bootgrant"),
    "proxies": Kind(
        "configurations for nginx, Caddy, HAProxy and Traefik",
        _proxies,
        "copy the one of your proxy from {root}{prefix}/share/bootgrant/proxies, and put in your names "
        "(docs/proxies.md says where it belongs)",
    ),
    "grafana": Kind(
        "the dashboard for Grafana",
        _dashboard,
        "in Grafana choose Dashboards, New, Import, and upload {root}{prefix}/share/bootgrant/grafana/bootgrant.json",
    ),
}
