"""Network links: names, addresses, routes, bonds, VLANs, WireGuard, and aliases of links."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from bootgrant.machines.talos.validation.documents.expressions import expression
from bootgrant.machines.talos.validation.documents.rules import (
    Rule,
    Section,
    between,
    check,
    each,
    first,
    form,
    inside,
    length,
    not_negative,
    required,
    since,
)
from bootgrant.machines.talos.validation.forms import is_key32
from bootgrant.machines.talos.validation.report import Check

_ANY: Final = frozenset(("0.0.0.0", "::"))  # noqa: S104
_LONGEST_LINK_NAME: Final = 15
_RESERVED_TABLES: Final = frozenset((0, 253, 254, 255))


class BondMode(IntEnum):
    """The modes of a bond with rules of their own."""

    ACTIVE_BACKUP = 1
    LACP = 4
    TLB = 5
    ALB = 6


_MODES_WITH_PRIMARY: Final = frozenset((BondMode.ACTIVE_BACKUP, BondMode.TLB, BondMode.ALB))

_named = required("name")


def _is_any(prefix: str) -> bool:
    return prefix.partition("/")[0] in _ANY


def _addresses(section: Section) -> None:
    for address in section.elements("addresses"):
        prefix = address.text("address")
        if not prefix:
            address.refuse("address", "must be set")
        elif _is_any(prefix):
            address.refuse("address", "must not be 0.0.0.0 or ::")


def _routes(section: Section) -> None:
    for route in section.elements("routes"):
        if _is_any(route.text("destination")):
            route.refuse("destination", "must not be 0.0.0.0 or ::: leave it out for the default route")
        for name in ("gateway", "source"):
            if route.text(name) in _ANY:
                route.refuse(name, "must not be 0.0.0.0 or ::")


def link(section: Section) -> None:
    """What all links have in common (``CommonLinkConfig.Validate``)."""
    _addresses(section)
    _routes(section)


def _bond_mode(section: Section) -> None:
    if not section.has("bondMode"):
        section.refuse("bondMode", "must be set")
    elif section.number("bondMode") == BondMode.LACP:
        for name in ("miimon", "updelay", "downdelay"):
            if not section.has(name):
                section.warn(name, "is not set for an 802.3ad bond")


def _primary(section: Section) -> None:
    mode_has_primary = section.fields.get("bondMode") in _MODES_WITH_PRIMARY
    if not section.has("primary"):
        if section.has("primaryReselect") and mode_has_primary:
            section.warn("primaryReselect", "has no effect without primary")
        return
    primary = section.text("primary")
    if not primary:
        section.refuse("primary", "must not be empty")
    elif primary not in section.items("links"):
        section.refuse("primary", "must be one of links")
    if section.has("bondMode") and not mode_has_primary:
        section.refuse("primary", "is only possible with bondMode active-backup, balance-tlb or balance-alb")


def _link_name(section: Section) -> None:
    """A name that the kernel takes: at most 15 bytes that can be printed."""
    name = section.text("name")
    if name in (".", ".."):
        section.refuse("name", "must not be . or ..")
    elif "/" in name or ":" in name:
        section.refuse("name", "must not contain / or :")
    elif not all(map(_is_printed, name)):
        section.refuse("name", "must not contain blanks or characters that cannot be printed")


def _is_printed(char: str) -> bool:
    """``unicode.IsPrint`` and not ``unicode.IsSpace``: letters, marks, numbers, punctuation and symbols."""
    return unicodedata.category(char)[0] in "LMNPS"


_kernel_name = first(_named, length("name", _LONGEST_LINK_NAME), _link_name)


def _peer_differs(section: Section) -> None:
    if section.text("name") and section.text("name") == section.inner("peer").text("name"):
        section.refuse("peer.name", "must be another name than that of the document")


def _vrf_table(section: Section) -> None:
    if section.number("table") in _RESERVED_TABLES:
        section.refuse("table", "must be a number from 1 to 252")


def _alias_pattern(section: Section) -> None:
    prefix, percent, verb = section.text("name").partition("%")
    if percent and (not prefix or verb != "d"):
        section.refuse("name", "must be a name without %, or one that ends with %d")


def _key(name: str) -> Rule:
    return form(name, is_key32, "is not a WireGuard key: write base64 of 32 bytes")


CHECKS: Final[Mapping[str, Check]] = {
    "LinkConfig": check(_named, link),
    "DummyLinkConfig": check(_named, link),
    "BridgeConfig": check(_named, link),
    "BondConfig": check(_named, required("links"), _bond_mode, since("1.14", _primary), link),
    "VLANConfig": check(_named, between("vlanID", 1, 4094), required("parent"), link),
    "VethConfig": check(_kernel_name, inside("peer", _kernel_name), _peer_differs, link, inside("peer", link)),
    "VRFConfig": check(_named, _vrf_table, link),
    "WireguardConfig": check(
        _named,
        required("privateKey"),
        _key("privateKey"),
        between("listenPort", 0, 65535),
        each(
            "peers",
            required("publicKey"),
            _key("publicKey"),
            _key("presharedKey"),
            not_negative("persistentKeepaliveInterval"),
        ),
        link,
    ),
    "LinkAliasConfig": check(
        _named,
        since("1.13", _alias_pattern),
        inside("selector", expression("match", "link", is_needed=True)),
    ),
    "EthernetConfig": check(_named),
}
