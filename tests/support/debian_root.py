"""A small Debian in a folder, in which programs run with chroot and the network of this computer."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from support import parts

ROOT = Path(__file__).resolve().parents[2]
_MOUNTS = """
mount --make-rprivate / && mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs run "$0/run" &&
exec chroot "$0" "$@"
"""


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """``folder`` is the root of the small Debian."""

    folder: Path

    def run(
        self, *command: str, check: bool = True, timeout: float = 300, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in it, with its own mounts and processes. ``variables`` are added to a clean environment."""
        done = subprocess.run(
            self.command(*command), capture_output=True, text=True, timeout=timeout, env=_environment(variables)
        )
        if check:
            assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command in it. Its standard output and error are one pipe; it ends with this process."""
        return subprocess.Popen(
            self.command(*command),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=_environment(variables),
        )

    def command(self, *command: str) -> Sequence[str]:
        """Return the command as this computer runs it: in new namespaces of mounts and processes."""
        return [
            "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-euc", _MOUNTS, str(self.folder), *command,
        ]  # fmt: skip

    def apt_install(self, *packages: str) -> None:
        """Install packages of Debian, or files of packages in the root, as a person would."""
        self.run("apt-get", "update", "-qq")
        self.run(
            "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages,
            timeout=600, DEBIAN_FRONTEND="noninteractive",
        )  # fmt: skip

    def copy(self, source: Path, target: str) -> None:
        """Copy a file or a folder of this computer into it."""
        place = self.folder / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place)
        else:
            shutil.copy(source, place)


def archive(release: str) -> Path:
    """The archive of a Debian release that make builds."""
    path = ROOT / ".cache/roots" / f"{release}.tar"
    if not path.exists():
        parts.missing(f"{path} is not built (make test-packaging)")
    return path


def unpacked(release: str, folder: Path) -> Iterator[DebianRoot]:
    """Unpack a Debian release into a folder, and remove it afterwards."""
    parts.root_rights("to make a Debian in a folder")
    subprocess.run(["tar", "-xf", archive(release), "-C", folder, "--numeric-owner"], check=True)
    shutil.copy("/etc/resolv.conf", folder / "etc/resolv.conf")
    (folder / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")  # packages start no services in a chroot
    (folder / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.copy("/etc/ssl/certs/ca-certificates.crt", folder / "etc/ssl/certs/ca-certificates.crt")
    yield DebianRoot(folder)
    shutil.rmtree(folder)


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "APT_"))}
    return {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        **kept,
        **variables,
    }
