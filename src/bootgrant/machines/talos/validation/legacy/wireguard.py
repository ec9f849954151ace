"""``machine.network.interfaces[].wireguard``."""

from __future__ import annotations

from typing import Any, Final

from bootgrant.machines.talos.validation import forms
from bootgrant.machines.talos.validation.report import Report

_KEY_HINT: Final = "must be a WireGuard key: 32 bytes in base64, as wg genkey prints them"


def check_wireguard(settings: dict[str, Any], path: str, report: Report) -> None:
    if not forms.is_key32(settings.get("privateKey", "")):
        report.refuse(f"{path}.privateKey", _KEY_HINT)
    for index, peer in enumerate(settings.get("peers") or []):
        place = f"{path}.peers[{index}]"
        if peer is None:
            report.refuse(place, "is null, and Talos crashes: remove it")
        else:
            _peer(peer, place, report)


def _peer(peer: dict[str, Any], path: str, report: Report) -> None:
    if not forms.is_key32(peer.get("publicKey", "")):
        report.refuse(f"{path}.publicKey", _KEY_HINT)
    endpoint = peer.get("endpoint")
    if endpoint and not _has_port(endpoint):
        report.refuse(f"{path}.endpoint", "must be host:port, such as vpn.example.org:51820 or [fd00::1]:51820")
    for number, network in enumerate(peer.get("allowedIPs") or []):
        if not forms.is_cidr(network):
            report.refuse(f"{path}.allowedIPs[{number}]", "must be a network such as 10.0.0.0/8")


def _has_port(text: str) -> bool:
    """``AddressContainsPort``: a host and a port, of which only an IPv6 address as a host is looked at."""
    host = _host(text)
    return host is not None and (":" not in host or forms.is_netip_addr(host))


def _host(text: str) -> str | None:
    """Return the host of ``host:port`` or ``[host]:port`` (``net.SplitHostPort``), None for any other text."""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        is_split = bool(bracket) and port.startswith(":") and ":" not in port[1:] and "[" not in host
    else:
        host, colon, port = text.rpartition(":")
        is_split = bool(colon) and ":" not in host and "[" not in host and "]" not in host
    return host if is_split and "[" not in port and "]" not in port else None
