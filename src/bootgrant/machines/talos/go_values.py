"""Texts that Talos parses into values: addresses, durations, sizes, ports. They are read and printed as Go does it.

Each reader returns the canonical text or number, or raises ValueError that says what to write.
"""

from __future__ import annotations

import binascii
import ipaddress
import re
from typing import Final

_UNITS: Final[dict[str, int]] = {
    "ns": 1, "us": 1_000, "µs": 1_000, "μs": 1_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}  # fmt: skip
_DURATION: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_SIZE_UNITS: Final[dict[str, int]] = {
    "": 1,
    "b": 1,
    **{f"{letter}{end}": 1000**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
    **{f"{letter}i{end}": 1024**power for power, letter in enumerate("kmgtpe", 1) for end in ("", "b")},
}
_SIZE: Final = re.compile(r"([0-9][0-9.,]*|[.,][0-9.,]*) *([A-Za-z]*) *")
_SIZE_CONDITION: Final = re.compile(r"(?:>=|<=|==|>|<)?\s*(.*)")
_PORTS: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})")
_PORT: Final = re.compile(r"[0-9]{1,5}")
_HEX_BYTES: Final = re.compile(r"(?:[0-9a-f]{2})*")
_BITS: Final = re.compile(r"0|[1-9][0-9]{0,2}")
_LARGEST: Final = 2**63
_LONGEST: Final = 200
_DURATION_HINT: Final = "is not a duration: write a number with a unit, such as 90s, 5m or 1h30m"
_BASE64_HINT: Final = "this is not base64: write certificates and keys as base64 of PEM, in one text"
_SIZE_HINT: Final = "is not a size: write a number with a unit, such as 10GB or 100GiB"


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
        total += int(whole or 0) * _UNITS[unit] + int(fraction or 0) * _UNITS[unit] // 10 ** len(fraction or "")
        at = match.end()
    if not rest or at != len(rest) or total >= _LARGEST:
        raise ValueError(f"{text!r} {_DURATION_HINT}")
    return sign * total


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
    parsed = _parsed(text)
    if parsed is None:
        raise ValueError(f"{text!r} is not an IP address")
    return _shown(parsed)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _shown(parsed: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return f"::ffff:{parsed.ipv4_mapped}"
    return str(parsed)


def prefix(text: str) -> str:
    """Return a network such as ``10.0.0.0/8``; host bits are kept (``netip.ParsePrefix``)."""
    if not text:
        return ""
    host, _, bits = text.partition("/")
    parsed = _parsed(host)
    if parsed is None or not _BITS.fullmatch(bits) or int(bits) > parsed.max_prefixlen or "%" in host:
        raise ValueError(f"{text!r} is not a network: write an address and a length, such as 10.0.0.0/8")
    return f"{_shown(parsed)}/{bits}"


def address_port(text: str) -> str:
    """Return ``10.0.0.1:51820`` or ``[fd00::1]:51820`` (``netip.ParseAddrPort``)."""
    if not text:
        return ""
    host, _, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    parsed = _parsed(bare)
    if parsed is None or not _PORT.fullmatch(port) or int(port) > 65535 or bracketed != (":" in bare):
        raise ValueError(f"{text!r} is not an address with a port: write it as 10.0.0.1:51820 or [fd00::1]:51820")
    return f"[{_shown(parsed)}]:{int(port)}" if bracketed else f"{_shown(parsed)}:{int(port)}"


def hardware_address(text: str) -> str:
    """Return a hardware address in lower-case hexadecimal with colons."""
    digits = text.replace(":", "").lower()
    if not _HEX_BYTES.fullmatch(digits):
        raise ValueError(f"{text!r} is not a hardware address: write it as 52:54:00:12:34:56")
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))


def byte_size(text: str) -> int:
    """Return the bytes of ``10GB``, ``1.5 GiB`` or ``-1073741824`` (humanize.ParseBytes)."""
    if len(text) > _LONGEST:
        raise ValueError(f"this {_SIZE_HINT}")
    negative = text.startswith("-")
    match = _SIZE.fullmatch(text[1:] if negative else text)
    unit = _SIZE_UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} {_SIZE_HINT}")
    try:
        size = int(float(match[1].replace(",", "")) * unit)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} {_SIZE_HINT}") from None
    return -size if negative else size


def size_shown(size: int) -> str:
    """Return a size as ``100 GB``, with one decimal below 10 (humanize.Bytes), as Talos prints partition sizes."""
    if size < 10:
        return f"{size} B"
    power = 0
    while size >= 1000 ** (power + 1) and power < 6:
        power += 1
    value = (size * 10 * 2 // 1000**power + 1) // 2 / 10
    number = f"{value:.1f}" if value < 10 else f"{value:.0f}"
    return f"{number} {('', 'k', 'M', 'G', 'T', 'P', 'E')[power]}B"


def percentage(text: str) -> str:
    """Return the text if it is a percentage such as ``50%``."""
    number = text[:-1].removeprefix("-")
    if not number.isascii() or not number.isdigit():
        raise ValueError(f"{text!r} is not a percentage: write a number and %, such as 50%")
    return text


def size_condition(text: str) -> str:
    """Return the text if it compares with a size, such as ``>= 500GB``."""
    match = _SIZE_CONDITION.fullmatch(text)
    byte_size(match[1] if match else text)
    return text


def port_range(text: str) -> tuple[int, int]:
    """Return the two ports of ``30000-32767``."""
    match = _PORTS.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]) or int(match[2]) > 65535:
        raise ValueError(f"{text!r} is not a range of ports: write a number without quotes, or 30000-32767")
    return int(match[1]), int(match[2])


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


def checked_byte_size(text: str) -> str:
    """Return the text if it is a size; Talos keeps it as it is written."""
    byte_size(text)
    return text
