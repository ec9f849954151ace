"""The cluster as the machine finds it: discovery, KubeSpan, SideroLink; and the probes of its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bootgrant.machines.talos.validation.documents.rules import (
    Rule,
    Section,
    check,
    first,
    form,
    forms_of,
    inside,
    no_path,
    not_negative,
    required,
    scheme,
)
from bootgrant.machines.talos.validation.forms import is_key32, is_subnet
from bootgrant.machines.talos.validation.report import Check

_SMALLEST_MTU: Final = 1280


def _has_host(name: str) -> Rule:
    def run(section: Section) -> None:
        url = section.url(name)
        if url is not None and (url.opaque or not url.hostname()):
            section.refuse(name, "must be a URL with a host")

    return run


def _mtu(section: Section) -> None:
    if section.has("mtu") and section.number("mtu") < _SMALLEST_MTU:
        section.refuse("mtu", f"must be at least {_SMALLEST_MTU}")


_probe = not_negative("timeout", "interval", "failureThreshold")

CHECKS: Final[Mapping[str, Check]] = {
    "DiscoveryIdentityConfig": check(
        first(
            required("clusterID", "clusterSecret"),
            form("clusterSecret", is_key32, "must be base64 of 32 bytes"),
        )
    ),
    "DiscoveryServiceConfig": check(
        first(
            required("name", "endpoint"),
            scheme("endpoint", "https", "http", "grpc"),
            _has_host("endpoint"),
        )
    ),
    "SideroLinkConfig": check(first(required("apiUrl"), scheme("apiUrl", "https", "grpc"), no_path("apiUrl"))),
    "KubeSpanConfig": check(
        _mtu,
        inside("filters", forms_of("endpoints", is_subnet, "must be a network or an address, with ! to exclude it")),
    ),
    "HTTPProbeConfig": check(required("name", "url"), first(scheme("url", "http", "https"), _has_host("url")), _probe),
    "TCPProbeConfig": check(required("name", "endpoint"), _probe),
}
