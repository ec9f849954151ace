"""One reading of each variable: from firmware, from network links, from the parameters and from system files.

Sources: Talos ``platform/metal/url/value.go``, ``controllers/network/hardware_addr.go``, ``LinkStatusSpec.Physical``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from bootgrant.acquire.errors import reason_of
from bootgrant.wire.identity import canonical_mac, canonical_serial, canonical_uuid

_DMI: Final = Path("sys/class/dmi/id")
_DEVICE_TREE_SERIAL: Final = Path("sys/firmware/devicetree/base/serial-number")
_NET: Final = Path("sys/class/net")
_ETHERNET: Final = "1"
# Software links that have a device all the same; Talos recognises them by their rtnetlink kind.
_SOFTWARE_TYPES: Final = ("DEVTYPE=dsa", "DEVTYPE=vlan", "DEVTYPE=macvlan", "DEVTYPE=bond", "DEVTYPE=bridge")
# Where DHCP clients store the name they were given: systemd-networkd, initramfs-tools (ipconfig), dhclient, udhcpc.
_LEASES: Final = (
    "run/systemd/netif/leases/*",
    "run/net-*.conf",
    "run/dhclient*.lease*",
    "var/lib/dhcp/*.lease*",
    "var/lib/dhclient/*.lease*",
)
_LEASE_NAME: Final = re.compile(
    r"""^\s*(?:HOSTNAME=|option\s+host-name\s+)['"]?([A-Za-z0-9._-]{1,253})['"]?;?\s*$""", re.MULTILINE
)
_SYSTEM_NAMES: Final = ("proc/sys/kernel/hostname", "etc/hostname")
_DEFAULT_NAMES: Final = frozenset({"localhost", "(none)", "none", "linux"})
_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST: Final = 4096
_LONGEST_LEASE: Final = 1 << 18
"""dhclient keeps old leases in its file; the last one counts."""


@dataclass(frozen=True, slots=True)
class Fact:
    """A variable, its value (never empty) and its source: a path, a kernel parameter or ``--set``."""

    name: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class Absent:
    """A variable that this machine does not have, and the reason, for ``--explain``."""

    name: str
    reason: str


class Parameters(Protocol):
    """The kernel command line, as far as it is needed here."""

    def all(self, key: str) -> tuple[str, ...]:
        """All values of ``key`` in order."""


def read_uuid(root: Path, *, accept_junk: bool) -> Fact | Absent:
    """The system UUID from SMBIOS, lower case. ``accept_junk`` takes values that identify no machine, as Talos does."""
    return _firmware("uuid", root / _DMI / "product_uuid", str.lower if accept_junk else canonical_uuid)


def read_serial(root: Path, *, accept_junk: bool) -> Fact | Absent:
    """The system serial number from SMBIOS or, on a board without it, from the device tree."""
    path = root / _DMI / "product_serial"
    if not path.exists() and (root / _DEVICE_TREE_SERIAL).exists():
        path = root / _DEVICE_TREE_SERIAL
    return _firmware("serial", path, str if accept_junk else canonical_serial)


def _firmware(name: str, path: Path, canonical: Callable[[str], str]) -> Fact | Absent:
    try:
        text = _read(path)
    except PermissionError:
        return Absent(name, f"{path} can only be read by root")
    except OSError as error:
        return Absent(name, f"cannot read {path}: {reason_of(error)}")
    if not text:
        return Absent(name, f"{path} is empty")
    value = canonical(text)
    return Fact(name, value, str(path)) if value else Absent(name, f"{path} has {text!r}, which identifies no machine")


def read_mac(root: Path) -> Fact | Absent:
    """The address of the first physical Ethernet link by sorted name, lower case with colons."""
    try:
        links = sorted((root / _NET).iterdir())
    except OSError as error:
        return Absent("mac", f"cannot read {root / _NET}: {reason_of(error)}")
    for link in filter(_is_physical, links):
        mac = canonical_mac(_text(link / "address"))
        if mac:
            return Fact("mac", mac, str(link / "address"))
    return Absent("mac", f"no physical Ethernet link in {root / _NET}")


def _is_physical(link: Path) -> bool:
    if _text(link / "type") != _ETHERNET or not (link / "device").exists():
        return False
    return not any(line in _SOFTWARE_TYPES for line in _text(link / "uevent").splitlines())


def read_hostname(root: Path, parameters: Parameters) -> Fact | Absent:
    """The first usable name without its domain: ``talos.hostname``, ``ip=``, a DHCP lease, then the system's name."""
    for text, source in _hostnames(root, parameters):
        name = text.partition(".")[0]
        if name.lower() not in _DEFAULT_NAMES and _LABEL.fullmatch(name):
            return Fact("hostname", name, source)
    return Absent("hostname", "no name in talos.hostname, ip=, a DHCP lease or the system")


def _hostnames(root: Path, parameters: Parameters) -> Iterator[tuple[str, str]]:
    yield from ((value, "talos.hostname") for value in parameters.all("talos.hostname"))
    # ip=<client>:<server>:<gateway>:<netmask>:<hostname>:… with IPv6 addresses in brackets.
    for value in parameters.all("ip"):
        fields = re.sub(r"\[[^]]*\]", "", value).split(":")
        yield (fields[4] if len(fields) > 4 else "", "ip=")
    for pattern in _LEASES:
        for path in sorted(root.glob(pattern)):
            yield from ((name, str(path)) for name in reversed(_LEASE_NAME.findall(_text(path, _LONGEST_LEASE))))
    for relative in _SYSTEM_NAMES:
        yield _text(root / relative), str(root / relative)


def _read(path: Path, limit: int = _LONGEST) -> str:
    """The text of a small file such as those of /sys, without surrounding white space. Raises OSError."""
    with path.open("rb") as file:
        return file.read(limit).decode("utf-8", "surrogateescape").strip("\0 \t\r\n")


def _text(path: Path, limit: int = _LONGEST) -> str:
    try:
        return _read(path, limit)
    except OSError:
        return ""
