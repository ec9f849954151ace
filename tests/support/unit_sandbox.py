"""The sandbox of a systemd unit without systemd: its system calls, address families and files, with bubblewrap.

Run are SystemCallFilter=, SystemCallArchitectures=, MemoryDenyWriteExecute=, RestrictAddressFamilies=,
RestrictNamespaces=, RestrictSUIDSGID=, LockPersonality=, NoNewPrivileges=, CapabilityBoundingSet= (none),
ProtectSystem=strict, ProtectHome=, PrivateTmp=, PrivateDevices=, ProtectKernelTunables= and UMask=. The others need
systemd's cgroups and mounts.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from support import parts

ROOT = Path(__file__).resolve().parents[2]
_SYSTEM_PYTHON = Path("/usr/bin/python3")
_MODULE = Path("/usr/lib/python3/dist-packages/seccomp.cpython-311-x86_64-linux-gnu.so")

# Runs in the system's Python, which has libseccomp. What systemd does is in its src/shared/seccomp-util.c.
_COMPILE = """
import errno, json, sys
from seccomp import ALLOW, EQ, ERRNO, MASKED_EQ, NE, Arg, SyscallFilter
asked = json.load(sys.stdin)
made = SyscallFilter(ERRNO(errno.EPERM))
EXEC, WRITE, NAMESPACES, SET_ID = 4, 2, 0x7E020080, 0o6000
def allow(name, *arguments):
    try:
        made.add_rule(ALLOW, name, *arguments)
    except RuntimeError:
        pass  # not on this architecture
for name in asked["calls"]:
    if name == "socket":
        for family in asked["families"]:
            allow(name, Arg(0, EQ, family))
    elif name == "mmap" and asked["no_exec"]:
        for both in (0, EXEC, WRITE):
            allow(name, Arg(2, MASKED_EQ, EXEC | WRITE, both))
    elif name in ("mprotect", "pkey_mprotect") and asked["no_exec"]:
        allow(name, Arg(2, MASKED_EQ, EXEC, 0))
    elif name == "clone":
        allow(name, Arg(0, MASKED_EQ, NAMESPACES, 0))
    elif name in ("unshare", "setns", "personality", "clone3"):
        pass
    elif name in ("chmod", "fchmod", "mkdir", "creat"):
        allow(name, Arg(1, MASKED_EQ, SET_ID, 0))
    elif name in ("fchmodat", "mkdirat"):
        allow(name, Arg(2, MASKED_EQ, SET_ID, 0))
    else:
        allow(name)
# As systemd does, so that the C library falls back to clone.
made.add_rule(ERRNO(errno.ENOSYS), "clone3")
made.export_bpf(sys.stdout)
"""


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Return the values of each key of the unit's [Service], in their order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


@dataclass(frozen=True, slots=True)
class Sandbox:
    """``filter`` is the compiled filter of system calls, ``writable`` stands for the unit's state folder."""

    settings: dict[str, list[str]]
    filter: Path
    writable: Path

    def start(self, command: Sequence[str], log: IO[bytes], environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Run a command in it, without any privilege."""
        compiled = os.open(self.filter, os.O_RDONLY | os.O_CLOEXEC)
        # Unless this checkout or its Python is there.
        needed = (str(ROOT), str(Path(sys.executable).resolve()))
        hidden = [home for home in ("/root", "/home") if not any(place.startswith(f"{home}/") for place in needed)]
        words = [
            str(parts.program("bwrap", "bubblewrap")), "--unshare-user", "--uid", "1000", "--gid", "1000",
            "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys",
            *(word for home in hidden for word in ("--tmpfs", home)), "--tmpfs", "/tmp",
            "--bind", str(self.writable), str(self.writable), "--chdir", "/", "--seccomp", str(compiled),
            "sh", "-c", f'umask {self.settings["UMask"][0]}; exec "$@"', "sh", *command,
        ]  # fmt: skip
        try:
            return subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=log, env=environment, pass_fds=[compiled])
        finally:
            os.close(compiled)


def sandbox_of(unit: Path, folder: Path, writable: Path) -> Sandbox:
    """Compile the sandbox of a unit into ``folder``."""
    parts.installed_file(_MODULE, "python3-seccomp")
    settings = settings_of(unit)
    asked = {
        "calls": sorted(_calls(settings["SystemCallFilter"])),
        "families": [_FAMILIES[name] for name in settings["RestrictAddressFamilies"][0].split()],
        "no_exec": settings["MemoryDenyWriteExecute"] == ["yes"],
    }
    compiled = folder / "filter.bpf"
    with compiled.open("wb") as file:
        subprocess.run([str(_SYSTEM_PYTHON), "-c", _COMPILE], input=json.dumps(asked).encode(), stdout=file, check=True)
    return Sandbox(settings, compiled, writable)


_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}


def _calls(lines: Sequence[str]) -> set[str]:
    """Return the system calls that the lines of SystemCallFilter= allow (systemd.exec(5))."""
    groups = _groups()
    allowed = _expanded("@default", groups)
    for line in lines:
        calls = {call for word in line.removeprefix("~").split() for call in _expanded(word, groups)}
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed | {"execve"}


def _expanded(word: str, groups: dict[str, list[str]]) -> set[str]:
    if not word.startswith("@"):
        return {word}
    return {call for inner in groups[word] for call in _expanded(inner, groups)}


def _groups() -> dict[str, list[str]]:
    analyze = parts.program("systemd-analyze", "systemd")
    done = subprocess.run([str(analyze), "syscall-filter"], capture_output=True, text=True, check=True)
    groups: dict[str, list[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if line.startswith("@"):
            name = line.strip()
            groups[name] = []
        elif name and line.startswith("    ") and not line.strip().startswith("#"):
            groups[name].append(line.strip())
    return groups
