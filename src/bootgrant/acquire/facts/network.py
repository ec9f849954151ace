"""The network as the kernel tells it: the MAC that Talos would choose, and netlink events to wait on.

Source: Talos ``controllers/network/hardware_addr.go`` and ``LinkStatusSpec.Physical`` for the MAC; rtnetlink(7) for
the messages. A wait wakes when the kernel reports a change of a link or an address.
"""

from __future__ import annotations

import ipaddress
import os
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from bootgrant.acquire.errors import TimedOut, Unreachable
from bootgrant.acquire.facts.fact import Absent, Fact, read_small
from bootgrant.wire.identity import canonical_mac

_NET = Path("sys/class/net")
_ETHERNET = "1"
# Links that stand on a device and are made by software all the same; Talos sees them by their rtnetlink kind.
_SOFTWARE_TYPES = ("DEVTYPE=dsa", "DEVTYPE=vlan", "DEVTYPE=macvlan", "DEVTYPE=bond", "DEVTYPE=bridge")

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV6_IFADDR = 0x1, 0x10, 0x100
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE, _DAD_FAILED = 0x40, 0x08
_MESSAGE = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, link index
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
_BUFFER = 1 << 16

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_mac(root: Path) -> Fact | Absent:
    """The address of the first physical Ethernet link by sorted name, lower case with colons."""
    try:
        names = sorted(os.listdir(root / _NET))  # noqa: PTH208  Path objects would sort the same and cost more
    except OSError as error:
        return Absent("mac", f"cannot read {root / _NET}: {error.strerror or error}")
    for name in names:
        link = root / _NET / name
        if not _is_physical(link):
            continue
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


class Changes:
    """Wakes when a link or an address of this machine changes. Where the system has no netlink, only time passes."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        self._socket = _open_netlink(_RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV6_IFADDR)
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def wait(self, seconds: float) -> bool:
        """Whether something changed within ``seconds``. Events that came since the last call count."""
        watched = [] if self._socket is None else [self._socket]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._socket is None or not ready:
            return False
        _drain(self._socket)
        return True


def _drain(netlink: socket.socket) -> None:
    """Throw away the events that are queued: what changed is read anew. ENOBUFS says that some were lost already."""
    while True:
        try:
            netlink.recv(_BUFFER, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            return


def _open_netlink(groups: int) -> socket.socket | None:
    if not hasattr(socket, "AF_NETLINK"):
        return None
    try:
        netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
    except OSError:
        return None
    try:
        netlink.bind((0, groups))
    except OSError:
        netlink.close()
        return None
    return netlink


def wait_for_address(deadline: float, hosts: Sequence[str] = ()) -> None:
    """Wait until this machine has a usable address: not loopback, not tentative, and link-local only when one of
    ``hosts`` names a zone (``fe80::1%eth0``). When all ``hosts`` are this machine itself there is nothing to wait for.

    Raises TimedOut at ``deadline`` (``time.monotonic``), Unreachable when the kernel cannot be asked. A system without
    netlink is not waited for: the first connection will tell.
    """
    if (hosts and all(map(_is_loopback, hosts))) or not hasattr(socket, "AF_NETLINK"):
        return
    link_local = any("%" in host for host in hosts)
    with Changes() as changes:
        while not any(_is_usable(address, link_local=link_local) for address in _addresses()):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut("the network did not come up in time: no address", "check cable, switch port and DHCP")
            changes.wait(remaining)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost" or host.lower().endswith(".localhost")


def _is_usable(address: IPAddress, *, link_local: bool) -> bool:
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return link_local or not address.is_link_local


def _addresses() -> list[IPAddress]:
    netlink = _open_netlink(0)
    if netlink is None:
        raise Unreachable("cannot ask the kernel for its addresses: no netlink", "allow netlink sockets here")
    with netlink:
        netlink.settimeout(5.0)
        body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        flags = _NLM_F_REQUEST | _NLM_F_DUMP
        try:
            netlink.send(_MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETADDR, flags, 1, 0) + body)
            return list(_receive_addresses(netlink))
        except OSError as error:
            reason = error.strerror or str(error)
            raise Unreachable(f"cannot ask the kernel for its addresses: {reason}", "allow netlink here") from error


def _receive_addresses(netlink: socket.socket) -> Iterator[IPAddress]:
    while True:
        for kind, body in parse_messages(netlink.recv(_BUFFER)):
            if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
                return
            address = parse_address(body) if kind == _RTM_NEWADDR else None
            if address is not None:
                yield address


def parse_messages(content: bytes) -> Iterator[tuple[int, bytes]]:
    """The netlink messages in one datagram: type and body. What is cut off or impossible ends them."""
    at = 0
    while at + _MESSAGE.size <= len(content):
        length, kind, *_ = _MESSAGE.unpack_from(content, at)
        if length < _MESSAGE.size or at + length > len(content):
            return
        yield kind, content[at + _MESSAGE.size : at + length]
        at += (length + 3) & ~3


def parse_address(body: bytes) -> IPAddress | None:
    """The address of an RTM_NEWADDR message, or None when it is tentative, a duplicate, or not understood."""
    if len(body) < _ADDRESS.size:
        return None
    _, _, flags, _, _ = _ADDRESS.unpack_from(body)
    attributes = dict(_attributes(body[_ADDRESS.size :]))
    wide_flags = attributes.get(_IFA_FLAGS, b"")
    if len(wide_flags) == 4:
        flags = int.from_bytes(wide_flags, "little" if struct.pack("=H", 1)[0] else "big")
    if flags & (_TENTATIVE | _DAD_FAILED):
        return None
    try:
        return ipaddress.ip_address(attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b"")))
    except ValueError:
        return None


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _ATTRIBUTE.size <= len(content):
        length, kind = _ATTRIBUTE.unpack_from(content, at)
        if length < _ATTRIBUTE.size or at + length > len(content):
            return
        yield kind, content[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
