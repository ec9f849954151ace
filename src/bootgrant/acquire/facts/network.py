"""The network of this machine: the MAC that Talos would choose, and the wait for an address.

Source: Talos ``controllers/network/hardware_addr.go`` and ``LinkStatusSpec.Physical``.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path

from bootgrant.acquire.errors import TimedOut
from bootgrant.acquire.facts import netlink
from bootgrant.acquire.facts.fact import Absent, Fact, read_small
from bootgrant.wire.identity import canonical_mac

_NET = Path("sys/class/net")
_ETHERNET = "1"
# Links that stand on a device and are made by software all the same; Talos sees them by their rtnetlink kind.
_SOFTWARE_TYPES = ("DEVTYPE=dsa", "DEVTYPE=vlan", "DEVTYPE=macvlan", "DEVTYPE=bond", "DEVTYPE=bridge")


def read_mac(root: Path) -> Fact | Absent:
    """The address of the first physical Ethernet link by sorted name, lower case with colons."""
    try:
        links = sorted((root / _NET).iterdir())
    except OSError as error:
        return Absent("mac", f"cannot read {root / _NET}: {error.strerror or error}")
    for link in filter(_is_physical, links):
        mac = canonical_mac(_text(link / "address"))
        if mac:
            return Fact("mac", mac, str(link / "address"))
    return Absent("mac", f"no physical Ethernet link in {root / _NET}")


def _is_physical(link: Path) -> bool:
    if _text(link / "type") != _ETHERNET or not (link / "device").exists():
        return False
    return not any(line in _SOFTWARE_TYPES for line in _text(link / "uevent").splitlines())


def _text(path: Path) -> str:
    try:
        return read_small(path)
    except OSError:
        return ""


def wait_for_address(deadline: float, hosts: Sequence[str] = ()) -> None:
    """Wait until this machine has a usable address: not loopback, not tentative, and link-local only when one of
    ``hosts`` names a zone (``fe80::1%eth0``). When all ``hosts`` are this machine itself there is nothing to wait for.

    Raises TimedOut at ``deadline`` (``time.monotonic``), Unreachable when the kernel cannot be asked. A system without
    netlink is not waited for: the first connection will tell.
    """
    if (hosts and all(map(is_loopback, hosts))) or not netlink.has_netlink():
        return
    link_local = any("%" in host for host in hosts)
    with netlink.Events(netlink.Topic.NETWORK) as events:
        while not any(_is_usable(address, link_local=link_local) for address in netlink.addresses()):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut("the network did not come up in time: no address", "check cable, switch port and DHCP")
            events.wait(remaining)


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, is this machine itself."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


def _is_usable(address: netlink.IPAddress, *, link_local: bool) -> bool:
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return link_local or not address.is_link_local
