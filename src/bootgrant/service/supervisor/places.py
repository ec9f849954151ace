"""Listening sockets, each for a place: a TCP address, or the path of a Unix socket that only its owner may use."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

BACKLOG: Final = 4096
"""Connections that wait in the kernel while no server accepts them (at most ``net.core.somaxconn``)."""


class Tcp(NamedTuple):
    """An empty host means all addresses, IPv6 and IPv4."""

    host: str
    port: int


class Unix(NamedTuple):
    path: str


Place = Tcp | Unix


def place_of(written: Sequence[object]) -> Place:
    """Return the place that was written as a JSON array."""
    if len(written) == 1:
        return Unix(str(written[0]))
    host, port = written
    return Tcp(str(host), int(str(port)))


def listen_tcp(place: Tcp) -> socket.socket:
    """Open a listening TCP socket. Raises OSError."""
    host = place.host
    is_both = host in ("", "::") and socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if ":" in host or is_both else socket.AF_INET
    return socket.create_server(place, family=family, backlog=BACKLOG, dualstack_ipv6=is_both)


def listen_unix(place: Unix) -> socket.socket:
    """Open a Unix socket with mode 0600, replacing one that a killed process left. Raises OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = Path(place.path)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with socket_address(path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


@contextmanager
def socket_address(path: Path) -> Iterator[str]:
    """Yield an address for a Unix socket that fits into 107 bytes, whatever the length of the path."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/{os.getpid()}/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class Places:
    """The listening sockets by place. A Unix socket is opened again if its file is no longer its own."""

    def __init__(self) -> None:
        self._open: dict[Place, tuple[socket.socket, tuple[int, int] | None]] = {}

    @property
    def opened(self) -> set[Place]:
        return set(self._open)

    def listener(self, place: Place, instead_of: Collection[Place] = ()) -> socket.socket:
        """Return the socket of a place, opened now if there is none. Raises OSError and ValueError.

        If another socket of this process has the port, it is closed when it is one of ``instead_of``.
        """
        found = self._open.get(place)
        if found is not None and found[1] == _file(place):
            return found[0]
        self.close(place)
        listener = listen_unix(place) if isinstance(place, Unix) else self._listen_tcp(place, instead_of)
        self._open[place] = listener, _file(place)
        return listener

    def _listen_tcp(self, place: Tcp, instead_of: Collection[Place]) -> socket.socket:
        try:
            return listen_tcp(place)
        except OSError as error:
            in_the_way = [other for other in instead_of if isinstance(other, Tcp) and other.port == place.port]
            if error.errno != errno.EADDRINUSE or not in_the_way:
                raise
        for other in in_the_way:
            self.close(other)
        return listen_tcp(place)

    def keep_only(self, wanted: set[Place]) -> None:
        """Close the sockets of all other places."""
        for place in set(self._open) - wanted:
            self.close(place)

    def close(self, place: Place) -> None:
        """Close the socket of a place if it is open, and remove its file."""
        listener, file = self._open.pop(place, (None, None))
        if listener is None:
            return
        if isinstance(place, Unix) and file == _file(place):
            with contextlib.suppress(OSError):
                Path(place.path).unlink()
        listener.close()


def _file(place: Place) -> tuple[int, int] | None:
    if isinstance(place, Tcp):
        return None
    try:
        status = Path(place.path).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
