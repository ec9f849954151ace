"""The name of the machine, resolvers, names of other hosts, and time."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from bootgrant.machines.talos.validation.documents.rules import (
    Section,
    before,
    check,
    each,
    form,
    length,
    not_negative,
    required,
    since,
)
from bootgrant.machines.talos.validation.forms import is_ip, is_netip_addr
from bootgrant.machines.talos.validation.report import Check

_LONGEST_LABEL: Final = 63
_LONGEST_HOSTNAME: Final = 253


class Auto(IntEnum):
    """How the machine makes its name."""

    OFF = 0
    STABLE = 2


class DnsProtocol(IntEnum):
    """How a resolver is asked."""

    PLAIN = 0
    TLS = 1
    HTTPS = 2


def _some_name(section: Section) -> None:
    if not section.has("auto") and not section.text("hostname"):
        section.refuse("", "must have auto or hostname")


def _name_or_auto(section: Section) -> None:
    if section.number("auto") == Auto.OFF and not section.text("hostname"):
        section.refuse("", "must have auto: stable or hostname")


def _one_name(section: Section) -> None:
    auto = section.number("auto")
    if auto != Auto.OFF and section.text("hostname"):
        section.refuse("auto", "must be off, or absent, where hostname is set")
    if auto not in frozenset(Auto):
        section.refuse("auto", "must be stable or off")


def _first_label(section: Section) -> None:
    label = section.text("hostname").partition(".")[0]
    if section.text("hostname") and not 0 < len(label.encode("utf-8", "surrogateescape")) <= _LONGEST_LABEL:
        section.refuse("hostname", f"must have 1 to {_LONGEST_LABEL} bytes before its first dot")


def _host_dns(section: Section) -> None:
    host_dns = section.inner("hostDNS")
    for name in ("forwardKubeDNSToHost", "resolveMemberNames"):
        if host_dns.is_true(name) and not host_dns.is_true("enabled"):
            host_dns.refuse(name, "is only possible with enabled: true")


def _server_name(section: Section) -> None:
    is_encrypted = section.number("protocol") != DnsProtocol.PLAIN
    if is_encrypted and not section.text("tlsServerName"):
        section.refuse("tlsServerName", "must be set for DoT and DoH")
    elif section.text("tlsServerName") and not is_encrypted:
        section.refuse("tlsServerName", "is only possible with protocol DoT or DoH")


def _some_plain(section: Section) -> None:
    servers = list(section.elements("nameservers"))
    if servers and all(server.number("protocol") != DnsProtocol.PLAIN for server in servers):
        section.warn(
            "nameservers",
            "are all encrypted: certificates need the right time, so a boot may wait for time servers that have names; "
            "keep one plain resolver, or give the addresses of time servers",
        )


def _one_clock(section: Section) -> None:
    if section.has("ntp") and section.has("ptp"):
        section.refuse("ptp", "is only possible without ntp")


def _time_servers_have_names(section: Section) -> None:
    ntp = section.inner("ntp")
    for index, server in enumerate(ntp.items("servers")):
        if ntp.is_true("useNTS") and is_ip(server):
            ntp.refuse(f"servers[{index}]", "must be a name, not an address, with useNTS")


CHECKS: Final[Mapping[str, Check]] = {
    "HostnameConfig": check(
        before("1.14", _name_or_auto),
        since("1.14", _some_name),
        _one_name,
        length("hostname", _LONGEST_HOSTNAME),
        _first_label,
    ),
    "ResolverConfig": check(
        since("1.14", _host_dns, each("nameservers", _server_name, required("address")), _some_plain),
    ),
    "StaticHostConfig": check(
        required("name"),
        form("name", is_netip_addr, "is not an IP address: the name of this document is the address"),
        required("hostnames"),
    ),
    "TimeSyncConfig": check(not_negative("bootTimeout"), _one_clock, since("1.14", _time_servers_have_names)),
}
