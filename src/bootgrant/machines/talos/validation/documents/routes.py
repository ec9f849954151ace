"""Routes, routing rules, firewall rules, virtual addresses, and DHCP."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from bootgrant.machines.talos.validation.documents.rules import (
    Section,
    check,
    each,
    first,
    form,
    inside,
    required,
)
from bootgrant.machines.talos.validation.forms import is_netip_addr, is_netip_prefix
from bootgrant.machines.talos.validation.report import Check

_DECIMAL: Final = re.compile(r"[0-9]+")
_RESERVED_PRIORITIES: Final = frozenset((0, 32500, 32766, 32767))
"""The kernel's own rules, and KubeSpan's."""
_NAMED_BY_ADDRESS: Final = "is not an IP address: the name of this document is the address"


class RuleAction(IntEnum):
    """The actions of a routing rule that need a table."""

    UNSPECIFIED = 0
    UNICAST = 1


class ClientIdentifier(IntEnum):
    """How a DHCP client identifies itself."""

    DUID = 2


def _priority(section: Section) -> None:
    name = section.text("name")
    priority = _uint32(name)
    if name and priority is None:
        section.refuse("name", "must be a whole number: the name of this document is the priority of the rule")
    if (priority or 0) in _RESERVED_PRIORITIES:
        reserved = ", ".join(map(str, sorted(_RESERVED_PRIORITIES)))
        section.refuse("name", f"must be a priority that is not reserved: not one of {reserved}")


def _uint32(text: str) -> int | None:
    """``strconv.ParseUint`` for 32 bits."""
    digits = text.lstrip("0")
    if not _DECIMAL.fullmatch(text) or len(digits) > 10:
        return None
    number = int(digits or "0")
    return number if number < 2**32 else None


def _action(section: Section) -> None:
    if not section.number("table") and section.number("action") in frozenset(RuleAction):
        section.refuse("table", "must be set, unless action is blackhole, unreachable or prohibit")


def _mark(section: Section) -> None:
    if section.number("fwMask") and not section.number("fwMark"):
        section.refuse("fwMask", "is only possible with fwMark")


def _port_ranges(section: Section) -> None:
    """Ranges have their low end first, and no port in common (``PortRanges.Validate``)."""
    earlier = -1
    for low, high in sorted(section.items("ports")):
        if low > high:
            section.refuse("ports", f"has a range with the larger number first: write {high}-{low}")
            return
        if low <= earlier:
            section.refuse("ports", f"has the port {low} in more than one range")
            return
        earlier = high


def _client_identifier(section: Section) -> None:
    has_duid = bool(section.text("duidRaw"))
    if has_duid != (section.number("clientIdentifier") == ClientIdentifier.DUID):
        needed = "clientIdentifier: duid" if has_duid else "duidRaw"
        section.refuse("duidRaw" if has_duid else "clientIdentifier", f"is only possible with {needed}")


_address_name = form("name", is_netip_addr, _NAMED_BY_ADDRESS)

CHECKS: Final[Mapping[str, Check]] = {
    "BlackholeRouteConfig": check(
        required("name"),
        form("name", is_netip_prefix, "is not a network such as 10.0.0.0/8: the name of this document is the network"),
    ),
    "RoutingRuleConfig": check(required("name"), _priority, _action, _mark),
    "NetworkRuleConfig": check(
        first(
            required("name"),
            inside("portSelector", first(required("ports"), _port_ranges)),
            each("ingress", required("subnet")),
        )
    ),
    "Layer2VIPConfig": check(required("name"), _address_name, required("link")),
    "HCloudVIPConfig": check(required("name"), _address_name, required("link", "apiToken")),
    "DHCPv4Config": check(required("name"), _client_identifier),
    "DHCPv6Config": check(required("name"), _client_identifier),
}
