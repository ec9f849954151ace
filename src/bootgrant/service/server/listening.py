"""The listening sockets of a server: the public one, the one for the pages, and the admin socket (mode 0600)."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bootgrant.service.data_folder import socket_address
from bootgrant.service.settings.setting import SettingsError

_BACKLOG = 4096
_FIRST_ACTIVATED = 3
PEOPLE: Final = "people"
"""The name of the socket unit's descriptor for ``operators.listen`` (``FileDescriptorName=``)."""


@dataclass(frozen=True, slots=True)
class Inherited:
    """File descriptors of listening sockets that another program opened. None: this server opens its own socket."""

    public: int | None = None
    pages: int | None = None


def listen_public(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket. An empty host means all addresses, IPv6 and IPv4. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=host in ("", "::"), reuse_port=False
        )
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(
                f"{shown} is already in use by another program: stop it, or choose another --listen"
            ) from error
        raise SettingsError(f"cannot listen on {shown}: {error.strerror}") from error


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


def activated(environment: MutableMapping[str, str]) -> Inherited:
    """Return the sockets passed by systemd (sd_listen_fds(3)), and remove its variables from ``environment``.

    The socket named ``people`` is for the pages; any other name is for machines. Raises SettingsError.
    """
    process, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    names = environment.pop("LISTEN_FDNAMES", "").split(":")
    if process != str(os.getpid()) or not count.isdigit():
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


def listen_admin(path: Path) -> socket.socket:
    """Open a Unix socket for the owner only, replacing one that a killed server left. Raises SettingsError."""
    admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with socket_address(path) as address:
                admin.bind(address)
        finally:
            os.umask(before)
        admin.listen(64)
    except OSError as error:
        admin.close()
        raise SettingsError(f"{path} cannot be created: {error.strerror}") from error
    return admin
