"""Networks such as ``10.0.0.0/8``, as value types leave them: in canonical form, with their host bits."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address


@dataclass(frozen=True, slots=True)
class Prefix:
    """An address and a length in bits (``netip.Prefix``)."""

    address: IPv4Address | IPv6Address
    bits: int

    @property
    def host_bits(self) -> int:
        return self.address.max_prefixlen - self.bits

    @property
    def is_ipv4(self) -> bool:
        return self.address.version == 4

    @property
    def is_masked(self) -> bool:
        """Whether all host bits are zero."""
        return int(self.address) & ((1 << self.host_bits) - 1) == 0

    def overlaps(self, other: Prefix) -> bool:
        shorter = max(self.host_bits, other.host_bits)
        same_family = self.address.version == other.address.version
        return same_family and int(self.address) >> shorter == int(other.address) >> shorter


def read_prefix(text: str) -> Prefix | None:
    """Return a network as a value type leaves it, None for the empty text."""
    address, _, bits = text.partition("/")
    return Prefix(ip_address(address), int(bits)) if text else None
