"""Addresses in brackets as Go's ``net/netip.ParseAddr`` takes them; the rest of ``net/url`` is in ``go_url``."""

from __future__ import annotations

import re

from bootgrant.wire.go_text import quote

_GROUP = re.compile(r"[0-9a-fA-F]*")


class AddressError(ValueError):
    """The text in brackets is no IPv6 address; the message is Go's."""


class _RefusedError(Exception):
    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message + (f" (at {quote(at)})" if at else ""))


def check_bracketed_host(address: str) -> None:
    """Accept an IPv6 address with or without a zone; raise AddressError for everything else."""
    try:
        is_ipv4 = _check_address(address)
    except _RefusedError as refused:
        raise AddressError(f"invalid host: ParseAddr({quote(address)}): {refused}") from None
    if is_ipv4:
        raise AddressError("invalid IP-literal")


def _check_address(text: str) -> bool:
    """Whether ``text`` is an IPv4 address, False for IPv6; the first of ``. : %`` in it decides what it is read as."""
    first = re.search("[.:%]", text)
    if first is None:
        raise _RefusedError("unable to parse IP")
    if first[0] == "%":
        raise _RefusedError("missing IPv6 address")
    if first[0] == ":":
        _check_ipv6(text)
        return False
    _check_ipv4(text)
    return True


def _check_ipv4(text: str) -> None:
    digits, fields = "", 0
    for at, char in enumerate(text):
        if char in "0123456789":
            if digits == "0":
                raise _RefusedError("IPv4 field has octet with leading zero")
            digits += char
            if int(digits) > 255:
                raise _RefusedError("IPv4 field has value >255")
        elif char == ".":
            if not digits or at == len(text) - 1:
                raise _RefusedError("IPv4 field must have at least one digit", text[at:])
            if fields == 3:
                raise _RefusedError("IPv4 address too long")
            fields, digits = fields + 1, ""
        else:
            raise _RefusedError("unexpected character", text[at:])
    if fields < 3:
        raise _RefusedError("IPv4 address too short")


def _check_ipv6(text: str) -> None:
    rest, percent, zone = text.partition("%")
    if percent and not zone:
        raise _RefusedError("zone must be a non-empty string")
    ellipsis = rest.startswith("::")
    rest = rest[2:] if ellipsis else rest
    size = 0
    while rest and size < 16:
        rest, size, ellipsis = _take_group(rest, size, ellipsis)
    if rest:
        raise _RefusedError("trailing garbage after address", rest)
    if size < 16 and not ellipsis:
        raise _RefusedError("address string too short")
    if size == 16 and ellipsis:
        raise _RefusedError("the :: must expand to at least one field of zeros")


def _take_group(rest: str, size: int, ellipsis: bool) -> tuple[str, int, bool]:
    """One group from the front of ``rest``; returns what follows it, the bytes so far, and whether ``::`` was seen."""
    match = _GROUP.match(rest)
    digits = match[0] if match else ""
    if len(digits) > 4:
        raise _RefusedError("each group must have 4 or less digits", rest)
    if not digits:
        raise _RefusedError("each colon-separated field must have at least one digit", rest)
    after = rest[len(digits) :]
    if after.startswith("."):
        if not ellipsis and size != 12:
            raise _RefusedError("embedded IPv4 address must replace the final 2 fields of the address", rest)
        if size > 12:
            raise _RefusedError("too many hex fields to fit an embedded IPv4 at the end of the address", rest)
        _check_ipv4(rest)
        return "", size + 4, ellipsis
    size += 2
    if not after:
        return "", size, ellipsis
    if not after.startswith(":"):
        raise _RefusedError("unexpected character, want colon", after)
    if len(after) == 1:
        raise _RefusedError("colon must be followed by more characters", after)
    after = after[1:]
    if after.startswith(":"):
        if ellipsis:
            raise _RefusedError("multiple :: in address", after)
        return after[1:], size, True
    return after, size, ellipsis
