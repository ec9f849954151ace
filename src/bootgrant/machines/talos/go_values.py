"""Texts that Talos parses into values: addresses, durations, ports. They are read and printed as Go does it.

Each reader returns the canonical text or number, or raises ValueError that says what to write.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from typing import Final

from bootgrant.machines.yaml.reading import quoted

_UNITS: Final[dict[str, int]] = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}  # fmt: skip
_DURATION: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_PORT: Final = re.compile(r"0*([0-9]{1,5})")
_HEX_BYTES: Final = re.compile(r"(?:[0-9a-f]{2})*")
_BITS: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_LARGEST: Final = 2**63
_LONGEST: Final = 200
_DURATION_HINT: Final = "is not a duration: write a number with a unit, such as 90s, 5m or 1h30m"
_BASE64_HINT: Final = "this is not base64: write certificates and keys as base64 of PEM, in one text"


def duration(text: str) -> int:
    """Return the nanoseconds of ``1h30m``, ``-1.5s`` or ``0`` (``time.ParseDuration``)."""
    if len(text) > _LONGEST:
        raise ValueError(f"this {_DURATION_HINT}")
    sign, rest = (-1, text[1:]) if text.startswith("-") else (1, text.removeprefix("+"))
    if rest == "0":
        return 0
    total = 0
    at = 0
    while match := _DURATION.match(rest, at):
        whole, fraction, unit = match.groups()
        if not whole and not fraction:
            break
        total += int(whole or 0) * _UNITS[unit] + _fraction(fraction or "", _UNITS[unit])
        at = match.end()
    if not rest or at != len(rest) or total > _LARGEST or (total == _LARGEST and sign > 0):
        raise ValueError(f"{quoted(text)} {_DURATION_HINT}")
    return sign * total


def _fraction(digits: str, unit: int) -> int:
    """Return the nanoseconds of the digits after the point, in floating point as Go computes them."""
    number, scale = 0, 1.0
    for digit in digits:
        if number > (_LARGEST - 1) // 10 or number * 10 + int(digit) > _LARGEST:
            break
        number = number * 10 + int(digit)
        scale *= 10
    return int(float(number) * (float(unit) / scale))


def duration_text(nanoseconds: int) -> str:
    """Return nanoseconds as ``1m30s``, ``36h0m0s`` or ``1.5ms`` (``time.Duration.String``)."""
    if nanoseconds == 0:
        return "0s"
    sign = "-" if nanoseconds < 0 else ""
    value = abs(nanoseconds)
    if value < _UNITS["s"]:
        unit = next(name for name in ("ms", "µs", "ns") if value >= _UNITS[name])
        return f"{sign}{_decimal(value, _UNITS[unit])}{unit}"
    hours, rest = divmod(value, _UNITS["h"])
    minutes, rest = divmod(rest, _UNITS["m"])
    seconds = f"{_decimal(rest, _UNITS['s'])}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else sign + seconds


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    return f"{whole}.{rest:0{len(str(unit)) - 1}d}".rstrip("0") if rest else str(whole)


def address(text: str) -> str:
    """Return an IPv4 or IPv6 address in its canonical form; empty stays empty (``netip.ParseAddr``)."""
    if not text:
        return ""
    canonical = _canonical(text)
    if canonical is None:
        raise ValueError(f"{quoted(text)} is not an IP address")
    return canonical


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _canonical(text: str) -> str | None:
    """Return an address as Go writes it. Any text can be the zone of an IPv6 address."""
    bare, percent, zone = text.partition("%")
    parsed = _parsed(bare)
    if parsed is None or (percent and (not zone or parsed.version == 4)):
        return None
    return f"{_shown(parsed)}{percent}{zone}"


def _shown(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return f"::ffff:{parsed.ipv4_mapped}"
    return str(parsed)


def prefix(text: str) -> str:
    """Return a network such as ``10.0.0.0/8``; host bits are kept (``netip.ParsePrefix``)."""
    if not text:
        return ""
    host, _, bits = text.rpartition("/")
    parsed = _parsed(host)
    if parsed is None or not _BITS.fullmatch(bits) or int(bits) > parsed.max_prefixlen or "%" in host:
        raise ValueError(f"{quoted(text)} is not a network: write an address and a length, such as 10.0.0.0/8")
    return f"{_shown(parsed)}/{bits}"


def address_port(text: str) -> str:
    """Return ``10.0.0.1:51820`` or ``[fd00::1]:51820`` (``netip.ParseAddrPort``)."""
    if not text:
        return ""
    host, _, digits = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    canonical = _canonical(bare)
    port = _port(digits)
    if canonical is None or port is None or bracketed != (":" in bare):
        raise ValueError(f"{quoted(text)} is not an address with a port: write it as 10.0.0.1:51820 or [fd00::1]:51820")
    return f"[{canonical}]:{port}" if bracketed else f"{canonical}:{port}"


def _port(digits: str) -> int | None:
    """Return a port number, which may have leading zeros (``strconv.ParseUint``)."""
    match = _PORT.fullmatch(digits)
    return int(match[1]) if match and int(match[1]) <= 65535 else None


def hardware_address(text: str) -> str:
    """Return a hardware address in lower-case hexadecimal with colons."""
    digits = text.replace(":", "").lower()
    if not _HEX_BYTES.fullmatch(digits):
        raise ValueError(f"{quoted(text)} is not a hardware address: write it as 52:54:00:12:34:56")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def port_range(text: str) -> tuple[int, int]:
    """Return the two ports of ``30000-32767``. The first may be the larger one: Talos refuses that later."""
    low, _, high = text.partition("-")
    first, last = _port(low), _port(high)
    if first is None or last is None:
        raise ValueError(f"{quoted(text)} is not a range of ports: write a number without quotes, or 30000-32767")
    return first, last


def base64_bytes(text: str) -> bytes:
    """Return the bytes of standard base64, in which line ends are ignored."""
    digits = text.replace("\n", "").replace("\r", "")
    try:
        content = binascii.a2b_base64(digits, strict_mode=True)
    except (binascii.Error, ValueError):
        raise ValueError(_BASE64_HINT) from None
    # Python takes padding after a complete group of four digits; Go does not.
    if len(digits) % 4 != 0 or digits.endswith("==="):
        raise ValueError(_BASE64_HINT)
    return content
