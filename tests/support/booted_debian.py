"""A Debian in a folder that has booted: systemd is process 1 in namespaces of its own, also of the network."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support import parts
from support.debian_root import DebianRoot
from support.site import children, wait_until

# $0 is the root, $1 the control group. What systemd expects when it starts: https://systemd.io/CONTAINER_INTERFACE
_BOOT = """
echo $$ >"$1/cgroup.procs"
exec unshare --mount --pid --cgroup --uts --ipc --net --fork --kill-child sh -euc '
    ip link set lo up
    mount --make-rprivate /
    mount --bind "$0" "$0"
    mount -t proc proc "$0/proc"
    mount -t sysfs -o ro sysfs "$0/sys"
    mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 dev "$0/dev"
    for name in null zero full random urandom tty; do
        touch "$0/dev/$name"
        mount --bind "/dev/$name" "$0/dev/$name"
    done
    mkdir "$0/dev/pts" "$0/dev/shm"
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$0/dev/pts"
    ln -s pts/ptmx "$0/dev/ptmx"
    ln -s /proc/self/fd "$0/dev/fd"
    mount -t tmpfs shm "$0/dev/shm"
    mount -t tmpfs -o mode=755 run "$0/run"
    exec env -i container=other PATH=/usr/sbin:/usr/bin chroot "$0" /usr/lib/systemd/systemd --unit=multi-user.target
' "$0"
"""
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C.UTF-8"}


@dataclass(frozen=True, slots=True)
class BootedDebian:
    """``pid`` is its process 1, as this computer sees it."""

    pid: int
    root: DebianRoot

    def run(self, *command: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it, as root."""
        done = subprocess.run(self._command(command), capture_output=True, text=True, timeout=timeout, env=_ENVIRONMENT)
        if check:
            assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def shell(self, script: str) -> str:
        """Run lines of a page, in /root, and return the output. They end at the first that fails."""
        return self.run("sh", "-euc", f"cd /root\n{script}").stdout

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in it. Its standard output and error are one pipe."""
        return subprocess.Popen(
            self._command(command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_ENVIRONMENT
        )

    def _command(self, command: Sequence[str]) -> list[str]:
        spaces = ("--mount", "--pid", "--cgroup", "--uts", "--ipc", "--net", "--root", "--wdns=/")
        return ["nsenter", "--target", str(self.pid), *spaces, *command]


@contextmanager
def booted_debian(root: DebianRoot) -> Iterator[BootedDebian]:
    """Boot a Debian in which the package systemd is installed; it is off after the block."""
    (root.folder / "etc/hosts").write_text("127.0.0.1 localhost debian\n")
    (root.folder / "etc/hostname").write_text("debian\n")
    group = _control_groups() / f"bootgrant-test-{root.folder.name}"
    group.mkdir()
    boot = subprocess.Popen(["sh", "-euc", _BOOT, str(root.folder), str(group)], stdin=subprocess.DEVNULL)
    try:
        wait_until(lambda: children(boot.pid) or boot.poll() is not None, "the Debian starts")
        debian = BootedDebian(children(boot.pid)[0], root)
        wait_until(lambda: _has_booted(debian), "the Debian has booted", 60)
        yield debian
    finally:
        boot.kill()
        boot.wait()
        wait_until(lambda: _removed(group), "the processes of the Debian have ended")


def _has_booted(debian: BootedDebian) -> bool:
    """Whether every unit has started; a computer without kernel modules stays degraded."""
    return debian.run("systemctl", "is-system-running", check=False).stdout.strip() in ("running", "degraded")


def _control_groups() -> Path:
    """The place of version 2 of the kernel's control groups."""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    parts.missing("no control groups (version 2) are mounted, so systemd cannot run")
    raise AssertionError


def _removed(group: Path) -> bool:
    with suppress(OSError):
        for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
            path.rmdir()
        group.rmdir()
    return not group.exists()
