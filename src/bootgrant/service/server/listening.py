"""Listening sockets that another program opened: systemd, or the caller that passes `--fd`."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Final

from bootgrant.service.settings.setting import SettingsError

_FIRST_ACTIVATED = 3
PEOPLE: Final = "people"
"""The name of the socket unit's descriptor for ``operators.listen`` (``FileDescriptorName=``)."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """File descriptors of listening sockets that another program opened. None: this server opens its own socket."""

    public: int | None = None
    pages: int | None = None


def inherited(number: int) -> socket.socket:
    """Return a listening socket that another program opened (systemd's socket activation, or ``--fd``).

    It outlives this process, so no connection is refused during a restart. Raises SettingsError.
    """
    try:
        listener = socket.socket(fileno=number)
        listening = listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise SettingsError(f"file descriptor {number} is not a socket: {error.strerror}") from error
    if not listening:
        raise SettingsError(f"file descriptor {number} is not a listening socket")
    os.set_inheritable(number, False)
    return listener


def wider_than(listener: socket.socket, setting: str, host: str) -> str:
    """Return a warning if an inherited socket listens for other computers and ``setting`` only for this one, else "".

    Tokens and keys travel over it: people who read the setting think that a proxy encrypts them.
    """
    if listener.family not in (socket.AF_INET, socket.AF_INET6) or not _is_loopback(host):
        return ""
    address, port = listener.getsockname()[:2]
    if _is_loopback(address):
        return ""
    return (
        f"the socket that was passed on listens on {address} port {port}, for other computers too, but {setting} says "
        f"{host}: if a proxy is in front, change ListenStream= to {host}:{port}"
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def activated(environment: MutableMapping[str, str], process: int) -> Inherited:
    """Return the sockets that systemd passed to ``process`` (sd_listen_fds(3)), and remove its variables.

    The socket named ``people`` is for the pages; any other name is for machines. Raises SettingsError.
    """
    addressee, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if addressee != str(process) or not count.isdigit():
        return Inherited()
    named = {number: names[number] if number < len(names) else "" for number in range(int(count))}
    pages = [_FIRST_ACTIVATED + number for number, name in named.items() if name == PEOPLE]
    public = [_FIRST_ACTIVATED + number for number, name in named.items() if name != PEOPLE]
    if len(pages) > 1 or len(public) > 1:
        raise SettingsError(
            f"systemd passed {count} sockets, but the server uses at most two: one for machines, and one with "
            f"FileDescriptorName={PEOPLE} for the pages"
        )
    return Inherited(public[0] if public else None, pages[0] if pages else None)
