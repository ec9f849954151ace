"""A virtual machine, emulated in software, with a serial console, a disk and a network that reaches this host."""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from support import parts
from support.initramfs import Kernel

HOST = "10.0.2.2"  # this computer's loopback in qemu's user network
# The system on the disk: it prints what is where cloud-init looks, and powers the machine off.
INIT = """\
#!/bin/sh
mount -t proc proc /proc
seed=/var/lib/cloud/seed/nocloud
echo
echo "guest found sha256 $(sha256sum <$seed/user-data) mode $(stat -c '%a owner %u' $seed/user-data)"
echo "guest found $(cat $seed/meta-data)"
poweroff -f
"""


def new_disk(folder: Path) -> Path:
    """A disk with a small system and no seed."""
    busybox = parts.program("busybox", "busybox-static")
    parts.program("mkfs.ext4", "e2fsprogs")
    root, disk = folder / "root", folder / "disk.img"
    for name in ("bin", "dev", "etc", "proc", "run", "sbin", "sys", "tmp", "usr", "var/lib/cloud"):
        (root / name).mkdir(parents=True)
    shutil.copy(busybox, root / "bin" / "busybox")
    for name in ("sh", "mount", "cat", "sha256sum", "stat", "poweroff"):
        (root / "bin" / name).symlink_to("busybox")
    (root / "etc" / "os-release").write_text("ID=bootgrant-test\n")
    (root / "sbin" / "init").write_text(INIT)
    (root / "sbin" / "init").chmod(0o755)
    subprocess.run(["/sbin/mkfs.ext4", "-q", "-d", str(root), str(disk), "32M"], check=True, stdout=subprocess.DEVNULL)
    return disk


@dataclass(slots=True)
class Guest:
    """A running machine; ``said`` is the output on its serial console so far."""

    process: subprocess.Popen[bytes]
    log: Path
    started: float = field(default_factory=time.monotonic)
    _seen: bytes = b""

    @property
    def said(self) -> str:
        return self._seen.decode("utf-8", "replace").replace("\r", "")

    def wait_for(self, pattern: str, seconds: float = 180) -> re.Match[str]:
        """Wait until ``pattern`` matches the console output; return the match."""
        until = time.monotonic() + seconds
        while (found := re.search(pattern, self.said)) is None:
            assert time.monotonic() < until, f"not in {seconds:.0f} s: {pattern}\n{self.said[-4000:]}"
            assert self._read(until), f"the machine went off without: {pattern}\n{self.said[-4000:]}"
        return found

    def wait_until_off(self) -> None:
        until = time.monotonic() + 60
        while self._read(until):
            assert time.monotonic() < until, self.said[-4000:]
        assert self.process.wait(20) == 0

    def _read(self, until: float) -> bool:
        assert self.process.stdout is not None
        if select.select([self.process.stdout], [], [], max(until - time.monotonic(), 0))[0]:
            some = os.read(self.process.stdout.fileno(), 65536)
            self._seen += some
            self.log.write_bytes(self._seen)
            return bool(some)
        return True


@contextmanager
def booted(kernel: Kernel, initramfs: Path, disk: Path, parameters: str, uuid: str, serial: str) -> Iterator[Guest]:
    """Run a machine with these SMBIOS values and kernel parameters during the block."""
    qemu = parts.program("qemu-system-x86_64", "qemu-system-x86")
    command = [
        str(qemu), "-machine", "pc,accel=tcg", "-smp", "1", "-m", "768", "-nodefaults", "-no-reboot",
        "-display", "none", "-serial", "stdio",
        "-kernel", str(kernel.image), "-initrd", str(initramfs),
        "-append", f"console=ttyS0 panic=-1 root=/dev/vda {parameters}",
        "-smbios", f"type=1,uuid={uuid},serial={serial}",
        "-drive", f"file={disk},if=virtio,format=raw",
        "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
        "-device", "virtio-rng-pci",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            yield Guest(process, initramfs.with_suffix(".console.log"))
        finally:
            process.kill()
