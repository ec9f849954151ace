"""BGP instances: their neighbors, and the routes that they import from each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.prefixes import Prefix, read_prefix
from bootgrant.machines.talos.validation.documents.rules import (
    Section,
    check,
    each,
    if_present,
    not_negative,
    required,
)
from bootgrant.machines.talos.validation.report import Check


def _router_id(section: Section) -> None:
    if ":" in section.text("routerID"):
        section.refuse("routerID", "must be an IPv4 address")


def _neighbors(section: Section) -> None:
    if not section.items("neighbors"):
        section.warn("neighbors", "has no neighbors")
    seen: set[str] = set()
    for neighbor in section.elements("neighbors"):
        address, link = neighbor.text("address"), neighbor.text("link")
        if bool(address) == bool(link):
            neighbor.refuse("", "must have either address or link")
            continue
        if (address or link) in seen:
            neighbor.refuse("address" if address else "link", "is the same as that of an earlier neighbor")
        seen.add(address or link)


def _no_bfd_in_vrf(section: Section) -> None:
    for neighbor in section.elements("neighbors"):
        if section.text("vrf") and neighbor.has("bfd"):
            neighbor.refuse("bfd", "is not possible in an instance with vrf")


def _sources(section: Section) -> None:
    seen: set[str] = set()
    for route in section.elements("importRoutes"):
        source = route.text("bgpInstance")
        if source and source == section.text("name"):
            route.refuse("bgpInstance", "must be another instance")
        if source and source in seen:
            route.refuse("bgpInstance", "is the same as that of an earlier route")
        seen.add(source)


def _prefixes(section: Section) -> None:
    """Prefixes are masked, and overlap neither in their route nor with those of other routes."""
    others: list[Prefix] = []
    for route in section.elements("importRoutes"):
        own: list[Prefix] = []
        for index, text in enumerate(route.items("prefixes")):
            name, prefix = f"prefixes[{index}]", read_prefix(text)
            if prefix is None:
                route.refuse(name, "must be a network such as 10.0.0.0/8")
                continue
            if not prefix.is_masked:
                route.refuse(name, "must be a network without host bits, such as 10.0.0.0/8")
            if any(map(prefix.overlaps, own)):
                route.refuse(name, "overlaps an earlier prefix of the same route")
            if prefix.is_masked and any(map(prefix.overlaps, others)):
                route.refuse(name, "overlaps a prefix of an earlier route")
            own.append(prefix)
        others += [prefix for prefix in own if prefix.is_masked]


CHECKS: Final[Mapping[str, Check]] = {
    "BGPInstanceConfig": check(
        required("name", "localASN"),
        _router_id,
        _neighbors,
        each(
            "neighbors",
            not_negative("holdTime"),
            if_present("bfd", not_negative("transmitInterval", "receiveInterval")),
        ),
        _no_bfd_in_vrf,
        each("importRoutes", required("bgpInstance", "prefixes")),
        _sources,
        _prefixes,
    ),
}
