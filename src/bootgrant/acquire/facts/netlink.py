"""What the kernel tells over netlink: that a link, an address or a device changed, and which addresses there are.

Source: netlink(7), rtnetlink(7). Waiting for these is what keeps this program from sleeping and looking again.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
from collections.abc import Iterator
from enum import Enum
from typing import Self

from bootgrant.acquire.errors import Unreachable

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


class Topic(Enum):
    """What to hear about: netlink family and multicast groups."""

    NETWORK = (0, 0x1 | 0x10 | 0x100)  # NETLINK_ROUTE: RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
    DEVICES = (15, 1)  # NETLINK_KOBJECT_UEVENT: events of the kernel itself


def has_netlink() -> bool:
    """Whether this operating system has netlink at all."""
    return hasattr(socket, "AF_NETLINK")


class Events:
    """Wakes when something of one topic changes. Where the kernel cannot be heard, only time passes."""

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
        """Whether something changed within ``seconds``. Events that came since the last call count."""
        watched = [] if self._socket is None else [self._socket]
        ready, _, _ = select.select(watched, [], [], max(0.0, seconds))
        if self._socket is None or not ready:
            return False
        _drain(self._socket)
        return True


def _open(family: int, groups: int) -> socket.socket:
    if not has_netlink():
        raise OSError("this system has no netlink")
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
    try:
        netlink.bind((0, groups))
    except OSError:
        netlink.close()
        raise
    return netlink


def _drain(netlink: socket.socket) -> None:
    """Throw away the queued events: what changed is read anew. ENOBUFS only says that some were lost already."""
    try:
        while True:
            netlink.recv(_BUFFER, socket.MSG_DONTWAIT)
    except OSError:
        return


def addresses() -> list[IPAddress]:
    """The addresses of this machine that can be used now. Raises Unreachable when the kernel does not answer."""
    try:
        with _open(0, 0) as netlink:
            netlink.settimeout(_ANSWER_SECONDS)
            body = _ADDRESS.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
            flags = _NLM_F_REQUEST | _NLM_F_DUMP
            netlink.send(_MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETADDR, flags, 1, 0) + body)
            return list(_receive(netlink))
    except OSError as error:
        reason = error.strerror or str(error)
        raise Unreachable(f"cannot ask the kernel for its addresses: {reason}", "allow netlink sockets") from error


def _receive(netlink: socket.socket) -> Iterator[IPAddress]:
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
    flags: int = _ADDRESS.unpack_from(body)[2]
    attributes = dict(_attributes(body[_ADDRESS.size :]))
    wide_flags = attributes.get(_IFA_FLAGS, b"")
    if len(wide_flags) == _NUMBER.size:
        flags = _NUMBER.unpack(wide_flags)[0]
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
