"""The host name: ``talos.hostname``, ``ip=`` of the kernel, what a DHCP server said, or the name of the system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bootgrant.acquire.cmdline.kernel_cmdline import KernelCmdline
from bootgrant.acquire.facts.fact import Absent, Fact, read_small

# Where DHCP clients leave the name they were given: systemd-networkd, initramfs-tools (ipconfig), dhclient, udhcpc.
_LEASES = (
    "run/systemd/netif/leases/*",
    "run/net-*.conf",
    "run/dhclient*.lease*",
    "var/lib/dhcp/*.lease*",
    "var/lib/dhclient/*.lease*",
)
_LEASE_NAME = re.compile(
    r"""^\s*(?:HOSTNAME=|option\s+host-name\s+)['"]?([A-Za-z0-9._-]{1,253})['"]?;?\s*$""", re.MULTILINE
)
_SYSTEM = ("proc/sys/kernel/hostname", "etc/hostname")
# Names that a system has when nobody gave it one.
_NO_NAMES = {"localhost", "(none)", "none", "linux"}
# dhclient keeps old leases in its file; the last one counts.
_LONGEST_LEASE = 1 << 18
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def read_hostname(root: Path, cmdline: KernelCmdline) -> Fact | Absent:
    """The first name that is one, without its domain, as Talos gives it."""
    for text, source in _candidates(root, cmdline):
        name = text.partition(".")[0]
        if name.lower() not in _NO_NAMES and _LABEL.fullmatch(name):
            return Fact("hostname", name, source)
    return Absent("hostname", "no talos.hostname, no DHCP lease and no system name gives one")


def _candidates(root: Path, cmdline: KernelCmdline) -> Iterator[tuple[str, str]]:
    yield from ((value, "talos.hostname") for value in cmdline.all("talos.hostname"))
    # ip=<client>:<server>:<gateway>:<netmask>:<hostname>:… ; IPv6 addresses in it stand in brackets.
    for value in cmdline.all("ip"):
        fields = re.sub(r"\[[^]]*\]", "", value).split(":")
        yield (fields[4] if len(fields) > 4 else "", "ip=")
    for pattern in _LEASES:
        for path in sorted(root.glob(pattern)):
            yield from ((name, str(path)) for name in reversed(_LEASE_NAME.findall(_text(path))))
    for relative in _SYSTEM:
        yield _text(root / relative), str(root / relative)


def _text(path: Path) -> str:
    try:
        return read_small(path, _LONGEST_LEASE)
    except OSError:
        return ""
