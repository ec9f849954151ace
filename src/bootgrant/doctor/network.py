"""DNS and TCP: each address of each server on its own, because a machine may try the one that does not answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

from bootgrant.acquire.facts.network import is_loopback
from bootgrant.acquire.flow.provider import unreachable
from bootgrant.acquire.http.dial import Address, TransportError, connect, resolve, shown_address
from bootgrant.acquire.http.endpoint import Endpoint
from bootgrant.doctor.findings import Finding, Level, Step

_DNS_LIMIT = 10.0
_CONNECT_LIMIT = 5.0
_MOST_ADDRESSES = 8


def examine_network(what: str, endpoint: Endpoint) -> Iterator[Finding]:
    """Whether ``endpoint``, which is ``what`` for people, can be reached from here."""
    yield from _judge_name(endpoint)
    try:
        addresses = list(dict.fromkeys(resolve(endpoint.host, endpoint.port, time.monotonic() + _DNS_LIMIT)))
    except TransportError as error:
        yield _finding(Level.ERROR, "name", f"{what}: {error.what}", "check the name in the URL, and DNS")
        return
    failures = {address: failure for address in addresses[:_MOST_ADDRESSES] if (failure := _try(address)) is not None}
    tried = min(len(addresses), _MOST_ADDRESSES)
    if len(failures) == tried:
        explained = unreachable(next(iter(failures.values())), endpoint)
        yield _finding(Level.ERROR, "connect", f"{what}: {explained.what}", explained.next_step)
    elif failures:
        dead = ", ".join(f"{shown_address(address[1])} ({failures[address].what})" for address in failures)
        message = f"{what}: {len(failures)} of {tried} addresses of {endpoint.host} do not answer: {dead}"
        yield _finding(Level.WARNING, "dead-address", message, "a machine may try that one first: take it out of DNS")
    else:
        reached = ", ".join(shown_address(address[1]) for address in addresses[:_MOST_ADDRESSES])
        yield _finding(Level.OK, "reached", f"{what}: {endpoint.shown()} is reached at {reached}")


def _judge_name(endpoint: Endpoint) -> Iterator[Finding]:
    name = endpoint.name.rstrip(".").lower()
    if is_loopback(endpoint.host):
        message = f"{endpoint.shown()} is this computer itself: a machine that boots would ask itself"
        yield _finding(Level.NOTE, "loopback", message, "use a name or an address that machines reach")
    elif name.endswith(".local"):
        message = f"{name} is a name of multicast DNS, which a machine that boots does not ask"
        yield _finding(Level.WARNING, "mdns", message, "use a name that is in DNS")
    elif "." not in name and ":" not in name:
        message = f"{name} has no domain: a machine finds it only with the search domain of its DHCP server"
        yield _finding(Level.WARNING, "short-name", message, "write the whole name: host.example.org")


def _try(address: Address) -> TransportError | None:
    try:
        with closing(connect([address], time.monotonic() + _CONNECT_LIMIT)):
            return None
    except TransportError as error:
        return error


def _finding(level: Level, code: str, message: str, fix: str = "") -> Finding:
    return Finding(Step.NETWORK, level, code, message, fix)
