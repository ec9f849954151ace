"""Which connections are taken, and which one ends when there are too many."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest

from bootgrant.asgi.client_address import AllowedNetworks
from bootgrant.asgi.observing import RequestCounts
from bootgrant.service.parts.connections import MUTE, SILENCE, Connections, FileLimits, Place

PROXIES = AllowedNetworks([ip_network("192.0.2.0/24")])


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a connection: the server's, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        return listener.accept()[0], client


@dataclass
class Hall:
    """A server's connections, with a clock that the tests move, and the clients' ends."""

    most: int = 6
    per_address: int = 3
    now: float = 100.0
    mute: bool = False
    clients: dict[int, socket.socket] = field(default_factory=dict)
    counts: RequestCounts = field(default_factory=RequestCounts)

    def __post_init__(self) -> None:
        self.room = Connections(self.most, self.per_address, PROXIES, self.counts, lambda: self.now)
        self.ends: list[socket.socket] = []

    def come(self, address: str) -> Place | None:
        """A client connects; None if it is not admitted, or has to wait."""
        if not self.room.has_room():
            return None
        ours, theirs = tcp_pair()
        if not self.mute:
            theirs.sendall(b"G")
            ours.recv(1)
        self.ends += (ours, theirs)
        place = self.room.admit(ours, (address, 40000))
        self.clients[id(place)] = theirs
        return place

    def has_ended(self, place: Place | None) -> bool:
        """Whether the client sees the end of its connection."""
        client = self.clients[id(place)]
        client.setblocking(False)
        try:
            return client.recv(1) == b""
        except BlockingIOError:
            return False


@pytest.fixture
def hall() -> Iterator[Hall]:
    made = Hall()
    yield made
    for end in made.ends:
        end.close()


def test_the_oldest_silent_connection_of_an_address_makes_room_for_its_next(hall: Hall) -> None:
    first, second, third = (hall.come("10.0.0.1") for _ in range(3))
    assert first is not None
    first.heard()
    hall.now += SILENCE
    fourth = hall.come("10.0.0.1")
    assert fourth is not None
    assert [hall.has_ended(each) for each in (first, second, third, fourth)] == [False, True, False, False]
    assert hall.counts.refused == {("connection", "silent"): 1}


def test_an_address_whose_connections_all_wait_for_answers_gets_no_more(hall: Hall) -> None:
    waiting = [hall.come("10.0.0.1") for _ in range(3)]
    for place in waiting:
        assert place is not None
        place.heard()
    hall.now += 100
    assert hall.come("10.0.0.1") is None
    assert hall.come("10.0.0.2") is not None
    assert not any(hall.has_ended(place) for place in waiting)
    assert hall.counts.refused == {("connection", "address_limit"): 1}


def test_a_new_connection_has_time_for_its_request(hall: Hall) -> None:
    places = [hall.come("10.0.0.1") for _ in range(3)]
    hall.now += SILENCE / 2
    assert hall.come("10.0.0.1") is None
    assert not any(hall.has_ended(place) for place in places)


def test_a_connection_on_which_nothing_ever_came_has_less_time(hall: Hall) -> None:
    hall.mute = True
    first, *_ = (hall.come("10.0.0.1") for _ in range(3))
    hall.now += MUTE / 2
    assert hall.come("10.0.0.1") is None
    hall.now += MUTE
    assert hall.come("10.0.0.1") is not None
    assert hall.has_ended(first)
    hall.room = Connections(1, 3, PROXIES, hall.counts, lambda: hall.now)
    hall.come("10.0.0.2")
    hall.now += MUTE
    # When the whole server is full, the next one waits in the kernel instead.
    assert hall.come("10.0.0.3") is None


def test_a_connection_whose_request_was_not_read_yet_is_not_silent(hall: Hall) -> None:
    first, second, _ = (hall.come("10.0.0.1") for _ in range(3))
    hall.clients[id(first)].sendall(b"GET")
    hall.now += SILENCE
    assert hall.come("10.0.0.1") is not None
    assert (hall.has_ended(first), hall.has_ended(second)) == (False, True)


def test_a_connection_is_silent_again_after_its_answer(hall: Hall) -> None:
    first, second, _ = (hall.come("10.0.0.1") for _ in range(3))
    assert first is not None
    first.heard()
    hall.now += 5
    first.answered()
    hall.now += SILENCE
    hall.come("10.0.0.1")
    assert (hall.has_ended(first), hall.has_ended(second)) == (False, True)


def test_a_full_server_ends_the_oldest_silent_connection_of_all(hall: Hall) -> None:
    first, *others = (hall.come(f"10.0.0.{number}") for number in range(6))
    hall.now += SILENCE
    seventh = hall.come("10.0.0.99")
    assert seventh is not None
    assert hall.has_ended(first)
    assert not any(hall.has_ended(place) for place in (*others, seventh))


def test_a_full_server_accepts_nobody_while_all_wait_for_answers(hall: Hall) -> None:
    places = [hall.come(f"10.0.0.{number}") for number in range(6)]
    for place in places:
        assert place is not None
        place.heard()
    hall.now += 100
    assert not hall.room.has_room()
    assert not any(hall.has_ended(place) for place in places)
    assert places[3] is not None
    places[3].leave()
    assert hall.room.has_room()


def test_all_addresses_of_an_ipv6_network_count_together(hall: Hall) -> None:
    for number in range(3):
        assert hall.come(f"fd00::{number}:1") is not None
    assert hall.come("fd00::ffff:1") is None
    assert hall.come("fd00:0:0:1::1") is not None
    assert hall.come("::ffff:10.0.0.1") is not None


def test_a_trusted_proxy_has_no_limit_of_its_own_and_is_never_ended(hall: Hall) -> None:
    proxied = [hall.come("192.0.2.7") for _ in range(6)]
    hall.now += 100
    assert None not in proxied
    assert not hall.room.has_room()
    assert not any(hall.has_ended(place) for place in proxied)


def test_places_that_are_left_are_free_again(hall: Hall) -> None:
    for _ in range(50):
        place = hall.come("10.0.0.1")
        assert place is not None
        place.heard()
        place.answered()
        place.leave()
        place.leave()
        place.answered()
    assert len(hall.room) == 0
    hall.now += SILENCE
    assert [hall.come("10.0.0.1") is not None for _ in range(4)] == [True] * 3 + [False]


@pytest.mark.parametrize("files", [20, 64, 256, 1024, 4096, 65536, 524288, 1 << 20])
def test_every_limit_of_files_leaves_some_for_the_admin_socket_and_the_database(files: int) -> None:
    limits = FileLimits(files)
    assert 0 < limits.held < limits.connections < files
    assert limits.per_address < limits.connections
    if files >= 256:
        assert files - limits.connections - limits.admin >= 32
    if files >= 1024:
        assert limits.connections >= files * 9 // 10
        assert limits.held == files * 4 // 5
