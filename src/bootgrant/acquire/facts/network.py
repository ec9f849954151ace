"""The network of this machine, through netlink(7) and rtnetlink(7): addresses, changes, the wait for an address."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import time
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Self

from bootgrant.acquire.errors import TimedOut, Unreachable, reason_of

_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE, _DAD_FAILED = 0x40, 0x08
_MESSAGE = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, link index
_ATTRIBUTE = struct.Struct("=HH")  # struct rtattr: length, type
_NUMBER = struct.Struct("=I")
_BUFFER = 1 << 16
_ANSWER_SECONDS = 5.0

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def wait_for_address(deadline: float, hosts: Sequence[str] = ()) -> None:
    """Wait until this machine has an address with which it can reach ``hosts``.

    Loopback and tentative addresses do not count; a link-local one only counts if one of ``hosts`` names a zone
    (``fe80::1%eth0``). There is no wait if all ``hosts`` are this machine, or on a system without netlink.
    Raises TimedOut at ``deadline`` (``time.monotonic``), Unreachable if the kernel does not answer.
    """
    if (hosts and all(map(is_loopback, hosts))) or not _has_netlink():
        return
    link_local = any("%" in host for host in hosts)
    with Events(Topic.NETWORK) as events:
        while not any(_is_usable(address, link_local=link_local) for address in addresses()):
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise TimedOut("this machine got no network address in time", "check cable, switch port and DHCP")
            events.wait(remaining)


def is_loopback(host: str) -> bool:
    """Whether ``host``, a name or an address, is this machine itself."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


def _is_usable(address: IPAddress, *, link_local: bool) -> bool:
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        return False
    return link_local or not address.is_link_local


class Topic(Enum):
    """The netlink family and multicast groups to listen to."""

    NETWORK = (0, 0x1 | 0x10 | 0x100)  # NETLINK_ROUTE: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
    DEVICES = (15, 1)  # NETLINK_KOBJECT_UEVENT: events of the kernel itself


class Events:
    """Wakes when something changes in one topic, or only after a timeout where the kernel cannot be listened to."""

    def __init__(self, topic: Topic) -> None:
        self._topic = topic
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        try:
            self._socket = _open(*self._topic.value)
        except OSError:
            self._socket = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def wait(self, seconds: float) -> bool:
        """Return True as soon as something changed since the last call, False after ``seconds``."""
        watched = [] if self._socket is None else [self._socket]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._socket is None or not ready:
            return False
        _drain(self._socket)
        return True


def _has_netlink() -> bool:
    return hasattr(socket, "AF_NETLINK")


def _open(family: int, groups: int) -> socket.socket:
    if not _has_netlink():
        raise OSError("this system has no netlink")
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    try:
        netlink.bind((0, groups))
    except OSError:
        netlink.close()
        raise
    return netlink


def _drain(netlink: socket.socket) -> None:
    """Discard the queued events, because the caller reads the state again. ENOBUFS only says that some were lost."""
    try:
        while True:
            netlink.recv(_BUFFER, socket.MSG_DONTWAIT)
    except OSError:
        return


def addresses() -> list[IPAddress]:
    """The addresses of this machine that can be used now. Raises Unreachable if the kernel does not answer."""
    try:
        with _open(0, 0) as netlink:
            netlink.settimeout(_ANSWER_SECONDS)
            body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            flags = _NLM_F_REQUEST | _NLM_F_DUMP
            netlink.send(_MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETADDR, flags, 1, 0) + body)
            return list(_receive(netlink))
    except OSError as error:
        what = f"cannot ask the kernel for its addresses: {reason_of(error)}"
        raise Unreachable(what, "allow netlink sockets") from error


def _receive(netlink: socket.socket) -> Iterator[IPAddress]:
    while True:
        for kind, body in parse_messages(netlink.recv(_BUFFER)):
            if kind in {_NLMSG_DONE, _NLMSG_ERROR}:
                return
            address = parse_address(body) if kind == _RTM_NEWADDR else None
            if address is not None:
                yield address


def parse_messages(content: bytes, head: struct.Struct = _MESSAGE) -> Iterator[tuple[int, bytes]]:
    """Yield type and body of each netlink message, or attribute, up to one that is cut off or malformed."""
    at = 0
    while at + head.size <= len(content):
        length, kind, *_ = head.unpack_from(content, at)
        if length < head.size or at + length > len(content):
            return
        yield kind, content[at + head.size : at + length]
        at += (length + 3) & ~3


def parse_address(body: bytes) -> IPAddress | None:
    """The address of an RTM_NEWADDR message, or None if it is tentative, a duplicate, or malformed."""
    if len(body) < _ADDRESS.size:
        return None
    flags: int = _ADDRESS.unpack_from(body)[2]
    attributes = dict(parse_messages(body[_ADDRESS.size :], _ATTRIBUTE))
    wide_flags = attributes.get(_IFA_FLAGS, b"")
    if len(wide_flags) == _NUMBER.size:
        flags = _NUMBER.unpack(wide_flags)[0]
    if flags & (_TENTATIVE | _DAD_FAILED):
        return None
    try:
        return ipaddress.ip_address(attributes.get(_IFA_LOCAL, attributes.get(_IFA_ADDRESS, b"")))
    except ValueError:
        return None
