"""How many connections the server keeps open, and which one ends when there are too many.

A connection is silent while the server waits for a whole request on it. Machines and people send their requests at
once, so a silent connection is the one that nobody misses: when an address, or the server, has too many, the oldest of
its silent ones ends. Connections that wait for an answer (held polls above all) are never ended.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from time import monotonic
from typing import Final

from bootgrant.asgi.client_address import AllowedNetworks, client_address
from bootgrant.asgi.observing import RequestCounts
from bootgrant.workflows.limits.rates import address_key

log = logging.getLogger("bootgrant")

SILENCE: Final = 1.0
"""Seconds that a connection has for its request before it can be ended for another one."""
MUTE: Final = 0.05
"""The same for a connection on which not a single byte has arrived, when its own address has too many: clients begin as
soon as they are connected."""
_RECEIVED: Final = struct.Struct("=128xQ")
"""``tcpi_bytes_received`` in the kernel's ``struct tcp_info``."""
_LOOKED_AT: Final = 16
"""Silent connections that are looked at until one of them can be ended."""
_OVER: Final = 16
"""Connections above the limit while ended ones are being closed."""
_LOG_EVERY: Final = 60.0
_COUNTED: Final = "connection"


@dataclass(frozen=True, slots=True)
class FileLimits:
    """What ``files``, the limit of open files, is divided into: connections of machines and people (held polls among
    them), connections to the admin socket, and the rest for the database, files and programs."""

    files: int

    @property
    def connections(self) -> int:
        return self.files - min(max(64, self.files // 16), self.files // 2)

    @property
    def per_address(self) -> int:
        return max(1, self.connections * 3 // 4)

    @property
    def held(self) -> int:
        return min(self.files * 4 // 5, self.connections * 7 // 8)

    @property
    def admin(self) -> int:
        return max(8, (self.files - self.connections) // 2)


class Place:
    """What one open connection takes up. ``key`` is its address, empty if that has no limit."""

    __slots__ = ("_connections", "_socket", "key", "since")

    def __init__(self, connections: Connections, key: str, connection: socket.socket) -> None:
        self._connections = connections
        self._socket = connection
        self.key = key
        self.since = 0.0

    def heard(self) -> None:
        """A whole request has arrived."""
        self._connections.forget_silent(self)

    def answered(self) -> None:
        """The request is answered, and the next one may come."""
        self._connections.add_silent(self)

    def leave(self) -> None:
        """The connection has ended."""
        self._connections.remove(self)

    def has_input(self) -> bool:
        """Return whether the client has sent something that was not read yet."""
        try:
            return bool(self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except OSError:
            return False

    def is_mute(self) -> bool:
        """Return whether nothing was ever received, not even a part of a TLS handshake."""
        try:
            info = self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
            return _RECEIVED.unpack(info) == (0,)
        except (OSError, struct.error):
            return False

    def end(self) -> None:
        """Close the connection in both directions. Its transport notices that as if the client had done it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Connections:
    """At most ``most`` connections, and ``per_address`` for each IPv4 address and each IPv6 /64.

    ``without_limit`` are proxies: behind each of them are many clients, so their connections only count in total, and
    the server does not end them.
    """

    def __init__(
        self,
        most: int,
        per_address: int,
        without_limit: AllowedNetworks,
        counts: RequestCounts,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._most = most
        self._per_address = per_address
        self._without_limit = without_limit
        self._counts = counts
        self._clock = clock
        self._open: set[Place] = set()
        self._by_key: Counter[str] = Counter()
        # Oldest first, as dictionaries are in the order of insertion.
        self._silent: dict[Place, None] = {}
        self._silent_by_key: dict[str, dict[Place, None]] = {}
        self._logged_at = -_LOG_EVERY

    def __len__(self) -> int:
        return len(self._open)

    def has_room(self) -> bool:
        """Return whether another connection may be accepted, after ending a silent one if that is necessary."""
        if len(self._open) < self._most:
            return True
        return len(self._open) < self._most + _OVER and self._end_oldest(self._silent, SILENCE)

    def admit(self, connection: socket.socket, peer: object) -> Place | None:
        """Return the place of a new connection from ``peer``, or None if its address has too many that are not silent.

        Its own oldest silent connection ends instead, if there is one.
        """
        key = self._key(peer)
        if key and self._by_key[key] >= self._per_address and not self._has_room_for(key):
            self._counts.refused[_COUNTED, "address_limit"] += 1
            self._log(key)
            return None
        place = Place(self, key, connection)
        self._open.add(place)
        if key:
            self._by_key[key] += 1
        self.add_silent(place)
        return place

    def _has_room_for(self, key: str) -> bool:
        is_near = self._by_key[key] < self._per_address + _OVER
        return is_near and self._end_oldest(self._silent_by_key.get(key, {}), MUTE)

    def _key(self, peer: object) -> str:
        if not isinstance(peer, tuple):
            return ""
        address = client_address({"client": peer})
        return "" if address is None or address in self._without_limit else address_key(str(address))

    def _end_oldest(self, silent: dict[Place, None], mute: float) -> bool:
        for place in list(islice(silent, _LOOKED_AT)):
            age = self._clock() - place.since
            if age < mute or (age < SILENCE and not place.is_mute()):
                return False
            self.forget_silent(place)
            if place.has_input():
                # A busy server has not read it yet.
                self.add_silent(place)
                continue
            self._counts.refused[_COUNTED, "silent"] += 1
            self._log(place.key)
            place.end()
            return True
        return False

    def _log(self, key: str) -> None:
        now = self._clock()
        if now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning(
                "too many connections: %d in total, %d from %s (limits.connections_per_address is %d): the oldest "
                "without a request are ended",
                len(self._open),
                self._by_key[key],
                key,
                self._per_address,
            )

    def add_silent(self, place: Place) -> None:
        """Count a connection as silent from now on."""
        if place.key and place in self._open:
            place.since = self._clock()
            self._silent[place] = None
            self._silent_by_key.setdefault(place.key, {})[place] = None

    def forget_silent(self, place: Place) -> None:
        """Count a connection as silent no more."""
        if place in self._silent:
            del self._silent[place]
            here = self._silent_by_key[place.key]
            del here[place]
            if not here:
                del self._silent_by_key[place.key]

    def remove(self, place: Place) -> None:
        """Give the place of an ended connection back."""
        if place not in self._open:
            return
        self.forget_silent(place)
        self._open.discard(place)
        if place.key:
            self._by_key[place.key] -= 1
            if not self._by_key[place.key]:
                del self._by_key[place.key]
