"""The forms of texts that Talos checks after it has read a configuration: addresses, endpoints, names, keys, sizes.

Each ``is_…`` takes the text and says whether Go accepts it, by the rules of the package that its docstring names. The
``…_faults`` take a map of texts and return a message for each fault; a message names the key, never the value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from bootgrant.wire.go_text import trim_space
from bootgrant.wire.go_url import UrlError, parse_url

ROLES: Final = frozenset(
    f"os:{name}"
    for name in ("admin", "operator", "reader", "etcd:backup", "image:verifier", "meta:writer", "impersonator")
)
"""The roles of Talos's API (``pkg/machinery/role``)."""
_STRICT_COLONS_SINCE: Final = (1, 13)
_ROLES_SINCE: Final = {"os:image:verifier": (1, 13), "os:meta:writer": (1, 13)}

TAINT_EFFECTS: Final = frozenset({"NoSchedule", "PreferNoSchedule", "NoExecute"})
RESERVED_ANNOTATIONS: Final = frozenset(f"talos.dev/owned-{what}" for what in ("labels", "annotations", "taints"))
LONGEST_ANNOTATIONS: Final = 256 * 1024
"""Bytes of all keys and values of the annotations of a node."""

_LONGEST_SUBDOMAIN: Final = 253
_LONGEST_NAME: Final = 63
_LONGEST_DNS_NAME: Final = 255
_LARGEST_SIZE: Final = 2**64

_NETIP_BITS: Final = re.compile(r"0|[1-9][0-9]*")
_CIDR_BITS: Final = re.compile(r"0*[0-9]{1,3}")
_NAME: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_DNS1123_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS1123: Final = re.compile(rf"{_DNS1123_LABEL}(\.{_DNS1123_LABEL})*")
_DNS_LABEL: Final = r"[a-zA-Z0-9_][a-zA-Z0-9_-]{0,62}"
_DNS_NAME: Final = re.compile(rf"{_DNS_LABEL}(\.{_DNS_LABEL})*[._]?")
_KEY32: Final = re.compile(r"[A-Za-z0-9+/]{43}=")
_SIZE: Final = re.compile(r"([0-9.,]*)(.*)", re.DOTALL)
_DECIMAL: Final = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_SIZE_UNITS: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    **{f"{letter}{end}": 1000**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
    **{f"{letter}i{end}": 1024**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
}


def roles(release: str) -> frozenset[str]:
    """Return the roles that a release such as ``1.12`` knows."""
    return frozenset(role for role in ROLES if _ROLES_SINCE.get(role, (1, 0)) <= _version(release))


def _version(release: str) -> tuple[int, int]:
    major, _, minor = release.partition(".")
    return int(major), int(minor)


def _bits_of(text: str, *, zone: bool) -> int:
    """Return 32 or 128 for an address as ``netip.ParseAddr`` reads it, 0 for any other text."""
    host, percent, name = text.partition("%")
    if percent and not (zone and name):
        return 0
    try:
        if ":" in host:
            return IPv6Address(host).max_prefixlen
        return 0 if percent else IPv4Address(host).max_prefixlen
    except AddressValueError:
        return 0


def is_netip_addr(text: str) -> bool:
    """``netip.ParseAddr``: no octet with a leading zero; an IPv6 address may have a zone, which may be any text."""
    return _bits_of(text, zone=True) > 0


def is_netip_prefix(text: str) -> bool:
    """``netip.ParsePrefix``: no zone, no leading zeros in the length; host bits may be set."""
    host, slash, bits = text.rpartition("/")
    return bool(slash and _NETIP_BITS.fullmatch(bits)) and _is_length(bits, _bits_of(host, zone=False))


def is_ip(text: str) -> bool:
    """``net.ParseIP``: an address without a zone."""
    return _bits_of(text, zone=False) > 0


def is_cidr(text: str) -> bool:
    """``net.ParseCIDR``: an address without a zone, and a length, which may have leading zeros."""
    host, slash, bits = text.partition("/")
    return bool(slash and _CIDR_BITS.fullmatch(bits)) and _is_length(bits, _bits_of(host, zone=False))


def _is_length(bits: str, longest: int) -> bool:
    significant = bits.lstrip("0") or "0"
    return longest > 0 and len(significant) <= len(str(longest)) and int(significant) <= longest


def is_ip_or_cidr(text: str) -> bool:
    """``validateIPOrCIDR``: a network if it has a slash, otherwise an address."""
    return is_cidr(text) if "/" in text else is_ip(text)


def is_subnet(text: str) -> bool:
    """A network or an address to match with, as in ``nodeIP.validSubnets``; a leading ``!`` excludes it."""
    subnet = text.removeprefix("!")
    return is_netip_prefix(subnet) or is_netip_addr(subnet)


def is_endpoint_uri(text: str, release: str = "1.14") -> bool:
    """``ValidateEndpointURI`` of siderolabs/net: a URL with a host, and a port from 1 to 65535 if it has one."""
    try:
        url = parse_url(text, strict_colons=_version(release) >= _STRICT_COLONS_SINCE)
    except UrlError:
        return False
    if url.host.count(":") > 2 and not ("[" in url.host and "]" in url.host):
        return False
    port = url.port()
    return bool(url.hostname()) and (not port or is_port_number(port))


def is_port_number(text: str) -> bool:
    """A decimal number from 1 to 65535, which may have leading zeros."""
    digits = text.lstrip("0")
    return text.isascii() and text.isdigit() and 0 < len(digits) <= 5 and int(digits) <= 65535


def is_dns1123_subdomain(text: str) -> bool:
    """``ValidateDNS1123Subdomain``: labels of lower-case letters, digits and ``-``, with dots in between."""
    return len(text) <= _LONGEST_SUBDOMAIN and _DNS1123.fullmatch(text) is not None


def is_qualified_name(text: str) -> bool:
    """``ValidateQualifiedName``: a name of at most 63 characters, with a domain and ``/`` in front if need be."""
    domain, slash, name = text.rpartition("/")
    if slash and not is_dns1123_subdomain(domain):
        return False
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


def is_label_value(text: str) -> bool:
    """``ValidateLabelValue``: empty, or a name of at most 63 characters."""
    return not text or (len(text) <= _LONGEST_NAME and _NAME.fullmatch(text) is not None)


def is_dns_name(text: str) -> bool:
    """``isValidDNSName``: a domain name of at most 255 characters without its dots; ``_`` is allowed."""
    return len(text) - text.count(".") <= _LONGEST_DNS_NAME and _DNS_NAME.fullmatch(text) is not None


def is_key32(text: str) -> bool:
    """A key of 32 bytes in standard base64 (WireGuard, discovery). Go ignores line ends."""
    return _KEY32.fullmatch(text.replace("\r", "").replace("\n", "")) is not None


def is_byte_size(text: str, *, signed: bool = False) -> bool:
    """``humanize.ParseBytes``: ``10GB``, ``1.5 GiB``, ``1,024``; below 2**64 bytes. ``signed`` allows a ``-``."""
    match = _SIZE.fullmatch(text.removeprefix("-") if signed else text)
    if match is None:
        return False
    number = match[1].replace(",", "")
    unit = _SIZE_UNITS.get(trim_space(match[2]).lower())
    return unit is not None and _DECIMAL.fullmatch(number) is not None and float(number) * unit < _LARGEST_SIZE


def label_faults(labels: Mapping[str, str]) -> list[str]:
    """Return the faults of the labels of a node (``labels.Validate``)."""
    return list(_label_faults(labels))


def _label_faults(labels: Mapping[str, str]) -> Iterator[str]:
    for key, value in sorted(labels.items()):
        if not is_qualified_name(key):
            yield _bad_key(key, "label")
        if not is_label_value(value):
            yield (
                f"the value of the label {key!r} must have at most {_LONGEST_NAME} letters, digits, '-', '_' and '.', "
                "and begin and end with a letter or digit"
            )


def annotation_faults(annotations: Mapping[str, str]) -> list[str]:
    """Return the faults of the annotations of a node (``labels.ValidateAnnotations``)."""
    faults = []
    for key in sorted(annotations):
        if not is_qualified_name(key):
            faults.append(_bad_key(key, "annotation"))
        elif key in RESERVED_ANNOTATIONS:
            faults.append(f"the annotation {key!r} is reserved for Talos")
    if sum(_length(key) + _length(value) for key, value in annotations.items()) > LONGEST_ANNOTATIONS:
        faults.append(f"all annotations together must not be longer than {LONGEST_ANNOTATIONS} bytes")
    return faults


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def taint_faults(taints: Mapping[str, str]) -> list[str]:
    """Return the faults of the taints of a node, each ``effect`` or ``value:effect`` (``labels.ValidateTaints``)."""
    return list(_taint_faults(taints))


def _taint_faults(taints: Mapping[str, str]) -> Iterator[str]:
    for key, taint in sorted(taints.items()):
        value, _, effect = taint.rpartition(":")
        if not is_qualified_name(key):
            yield _bad_key(key, "taint")
        elif effect not in TAINT_EFFECTS:
            yield f"the effect of the taint {key!r} must be NoSchedule, PreferNoSchedule or NoExecute"
        elif not is_label_value(value):
            yield (
                f"the value of the taint {key!r} must have at most {_LONGEST_NAME} letters, digits, '-', '_' and '.', "
                "and begin and end with a letter or digit"
            )


def _bad_key(key: str, what: str) -> str:
    return (
        f"{key!r} is not a name for a {what}: write at most {_LONGEST_NAME} letters, digits, '-', '_' and '.', "
        "with a domain and '/' in front if need be"
    )
