"""The sockets of a server: the public one and the admin socket (mode 0600). Errors say what holds the place."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

from bootgrant.service.settings import SettingsError

_BACKLOG = 4096


def listen_public(host: str, port: int) -> socket.socket:
    """A listening TCP socket; an empty host is every address, IPv6 and IPv4. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in host or not host else socket.AF_INET
    try:
        return socket.create_server(
            (host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=host in ("", "::"), reuse_port=False
        )
    except OSError as error:
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if error.errno == errno.EADDRINUSE:
            raise SettingsError(f"{shown} is taken by another program: stop it, or choose another --listen") from error
        raise SettingsError(f"cannot listen on {shown}: {error.strerror}") from error


def listen_admin(path: Path) -> socket.socket:
    """A listening Unix socket for its owner alone; one that a killed server left is replaced. Raises SettingsError."""
    admin = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            admin.bind(str(path))
        finally:
            os.umask(before)
        admin.listen(64)
    except OSError as error:
        admin.close()
        why = "the path is too long for a socket; choose a shorter data folder" if "too long" in str(error) else error
        raise SettingsError(f"{path} cannot be made: {why}") from error
    return admin
