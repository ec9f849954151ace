"""Machine identities: the variables of ``talos.config.oauth.extra_variable`` in one canonical form.

They are claims, never proof; placeholders of vendors count as absent. Source: Talos ``platform/metal/url/variable.go``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

# Serial numbers that vendors leave in firmware, in lower case with white space folded.
_JUNK_SERIALS = frozenset(
    {
        "", "none", "null", "n/a", "na", "nil", "unknown", "undefined", "invalid", "empty", "default", "default string",
        "not specified", "not applicable", "not available", "not provided", "no asset tag", "serial", "serial number",
        "system serial number", "chassis serial number", "base board serial number", "system serial", "oem", "o.e.m.",
        "to be filled by o.e.m.", "to be filled by o.e.m", "to be filled by oem", "to be filled by manufacturer",
        "fill by oem", "123456789", "1234567890", "0123456789", "01234567890123456789", "0123456789abcdef",
        "type1 - serial number",
    }
)  # fmt: skip
_REPEATED = re.compile(r"([0fx.\-_ ])\1*", re.IGNORECASE)
_HEX_UUID = re.compile(r"[0-9a-f]{32}")
# All zeros, all F, and values that whole series of boards carry.
_KNOWN_JUNK = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
        "03000200-0400-0500-0006-000700080009",
        "12345678-1234-5678-90ab-cddeefaabbcc",
        "12345678-1234-1234-1234-123456789012",
        "01234567-89ab-cdef-0123-456789abcdef",
        "11111111-2222-3333-4444-555555555555",
        "fefefefe-fefe-fefe-fefe-fefefefefefe",
    }
)
# Nearly every machine sends canonical values.
_CANONICAL_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CANONICAL_MAC = re.compile(r"(?!00:00:00:00:00:00|ff:ff:ff:ff:ff:ff)[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_PLAIN = re.compile(r"[A-Za-z0-9._:/+#-]+")
_MAC_DIGITS = (12, 16, 40)  # Ethernet, EUI-64, InfiniBand


def is_junk_serial(text: str) -> bool:
    """Whether a serial number is a placeholder."""
    folded = " ".join(text.split()).lower()
    return folded in _JUNK_SERIALS or _REPEATED.fullmatch(folded) is not None


def is_junk_uuid(text: str) -> bool:
    """Whether a canonical UUID is a placeholder, shared by many machines."""
    return text in _JUNK_UUIDS


def canonical_uuid(text: str) -> str:
    """Return lower-case ``8-4-4-4-12``, empty for junk and for a text that is not a UUID."""
    if _CANONICAL_UUID.fullmatch(text):
        return "" if is_junk_uuid(text) else text
    digits = text.strip().lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    if not _HEX_UUID.fullmatch(digits):
        return ""
    uuid = f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
    return "" if is_junk_uuid(uuid) else uuid


def swapped_uuid(uuid: str) -> str:
    """Return a canonical UUID with its first three fields in the other byte order, as SMBIOS before 2.6 prints it."""
    # Slices are fastest, and this runs for every request.
    first = f"{uuid[6:8]}{uuid[4:6]}{uuid[2:4]}{uuid[:2]}"
    return f"{first}-{uuid[11:13]}{uuid[9:11]}-{uuid[16:18]}{uuid[14:16]}{uuid[18:]}"


# Firmware may have them in either byte order.
_JUNK_UUIDS = _KNOWN_JUNK | {swapped_uuid(uuid) for uuid in _KNOWN_JUNK}


def one_order(uuid: str) -> str:
    """Return the smaller of the two byte orders of a canonical UUID, so that both give the same text."""
    # Nearly always the first byte decides; the other order starts with the fourth.
    return uuid if uuid[:2] < uuid[6:8] else min(uuid, swapped_uuid(uuid))


def canonical_mac(text: str) -> str:
    """Return lower case with colons from any usual spelling; empty for all zeros, all F, or if it is not an address."""
    if _CANONICAL_MAC.fullmatch(text):
        return text
    digits = re.sub(r"[:.\-\s]", "", text.strip()).lower()
    if len(digits) not in _MAC_DIGITS or not re.fullmatch(r"[0-9a-f]+", digits) or set(digits) in ({"0"}, {"f"}):
        return ""
    return ":".join(digits[i : i + 2] for i in range(0, len(digits), 2))


def canonical_serial(text: str) -> str:
    """Return the serial number without surrounding white space, empty for junk."""
    serial = text.strip()
    return "" if is_junk_serial(serial) else serial


@dataclass(frozen=True, slots=True)
class MachineIdentity:
    """The canonical claim of one machine; a variable that it did not send is empty.

    ``key`` joins the strong variables, with both byte orders of a UUID as one: the same key claims the same machine.
    """

    uuid: str = ""
    serial: str = ""
    mac: str = ""
    hostname: str = ""
    key: str = field(init=False, repr=False, compare=False)

    STRONG: ClassVar[tuple[str, ...]] = ("uuid", "serial", "mac")
    NAMES: ClassVar[tuple[str, ...]] = ("uuid", "serial", "mac", "hostname")

    @classmethod
    def from_claim(cls, claim: Mapping[str, str]) -> MachineIdentity:
        """Read the identity from request parameters; unknown names are ignored, junk counts as absent."""
        return cls(
            uuid=canonical_uuid(claim.get("uuid", "")),
            serial=canonical_serial(claim.get("serial", "")),
            mac=canonical_mac(claim.get("mac", "")),
            hostname=claim.get("hostname", "").strip(),
        )

    @classmethod
    def readings(cls, pairs: Iterable[tuple[str, str]]) -> tuple[MachineIdentity, ...]:
        """Read every identity from parameters that may be repeated, with names in any letter case.

        The first reading has the first usable value of each variable; each other value that is repeated is a reading of
        its own.
        """
        values: dict[str, list[MachineIdentity]] = {name: [] for name in cls.NAMES}
        for name, value in pairs:
            known = name.strip().casefold()
            if known in values and (one := cls.from_claim({known: value})).given():
                values[known].append(one)
        first = cls.from_claim({name: getattr(found[0], name) for name, found in values.items() if found})
        return (first, *(one for found in values.values() for one in found[1:]))

    def __post_init__(self) -> None:
        # Computed once, because every request needs it several times.
        object.__setattr__(self, "key", f"{one_order(self.uuid) if self.uuid else ''}|{self.serial}|{self.mac}")

    def strong(self) -> tuple[tuple[str, str], ...]:
        """The strong variables that are present, with the UUID in one byte order, so that claims can be compared."""
        uuid, serial, mac = self.key.split("|", 1)[0], self.serial, self.mac
        if uuid and serial and mac:
            return (("uuid", uuid), ("serial", serial), ("mac", mac))
        return tuple(pair for pair in (("uuid", uuid), ("serial", serial), ("mac", mac)) if pair[1])

    def may_be(self, other: MachineIdentity) -> bool:
        """Whether both share a strong variable and none has different values on the two sides."""
        theirs = dict(other.strong())
        same = [theirs[name] == value for name, value in self.strong() if name in theirs]
        return bool(same) and all(same)

    def identifies(self) -> bool:
        """Whether a strong variable (uuid, serial, mac) is present. A hostname does not identify a machine."""
        return bool(self.uuid or self.serial or self.mac)

    def contradicts(self, other: MachineIdentity) -> bool:
        """Whether a variable is present on both sides with different values."""
        pairs = ((name, getattr(self, name), getattr(other, name)) for name in self.NAMES)
        return any(mine and theirs and mine != theirs and not _same(name, mine, theirs) for name, mine, theirs in pairs)

    def given(self) -> dict[str, str]:
        """The variables that are present, in the order of NAMES."""
        return {name: value for name in self.NAMES if (value := getattr(self, name))}

    @staticmethod
    def shown(given: Mapping[str, str]) -> str:
        """Return reported values as ``name=value`` pairs on one line. A value that could be read as something else,
        such as one with spaces, is in quotes: a machine must not be able to write the rest of the line."""
        return " ".join(f"{name}={_in_quotes(value)}" for name, value in given.items())

    def __str__(self) -> str:
        return self.shown(self.given()) or "unidentified"


def _in_quotes(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    # No quote inside, so that none can end the value early.
    return '"' + value.replace('"', r"\x22") + '"'


def _same(name: str, mine: str, theirs: str) -> bool:
    """Whether two spellings are the same value, because firmware disagrees about the byte order of a UUID."""
    return name == "uuid" and swapped_uuid(mine) == theirs
