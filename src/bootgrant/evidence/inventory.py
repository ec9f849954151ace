"""Whether the entry names this machine, and whether the machine's variables belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.ports.configurations import ConfigSource, MachineEntry
from bootgrant.ports.evidence import Claim
from bootgrant.wire.identity import MachineIdentity, canonical_mac, canonical_uuid, swapped_uuid

_NAME: Final = "inventory"
_PATTERN: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class InventoryEvidence:
    """ports.evidence.EvidenceSource, on the entries themselves."""

    source: ConfigSource
    name: str = _NAME
    keeps: float = 0.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """A check for each of uuid, serial and mac that the machine gave, and one when they are of several machines."""
        identity, entry = claim.grant.identity, claim.entry
        if entry is None:
            checks = [Check(_NAME, Verdict.UNKNOWN, "no entry names this machine")]
        else:
            given = [(name, getattr(identity, name)) for name in MachineIdentity.STRONG]
            checks = [_of_variable(name, value, entry) for name, value in given if value]
        owners = await self._owners(identity)
        if len(set(owners.values())) > 1:
            told = "; ".join(f"the {name} is {owner}'s" for name, owner in owners.items())
            checks.append(Check(_NAME, Verdict.MISMATCH, f"what it says belongs to several machines: {told}"))
        return checks

    async def _owners(self, identity: MachineIdentity) -> dict[str, str]:
        """Which entry names each variable, for those that one names exactly."""
        owners: dict[str, str] = {}
        for name in MachineIdentity.STRONG:
            value = getattr(identity, name)
            owner = await self.source.find_entry(MachineIdentity(**{name: value})) if value else None
            if owner is not None and owner.exact:
                owners[name] = owner.name
        return owners


def _of_variable(name: str, value: str, entry: MachineEntry) -> Check:
    expected = entry.match.get(name)
    if expected is None:
        if entry.exact and entry.matched == name:
            return Check(_NAME, Verdict.MATCH, f"{name} is {entry.name}'s")
        return Check(_NAME, Verdict.UNKNOWN, f"{entry.name} names no {name}")
    if any(_is_same(name, value, text) for text in expected if not _PATTERN & set(text)):
        return Check(_NAME, Verdict.MATCH, f"{name} is {entry.name}'s")
    shown = ", ".join(expected[:3]) + (", …" if len(expected) > 3 else "")
    if any(fnmatchcase(value.lower(), text.lower()) for text in expected):
        return Check(_NAME, Verdict.UNKNOWN, f"{name} fits the pattern {shown}, as that of any such machine would")
    return Check(_NAME, Verdict.MISMATCH, f"{name} is {value}, and {entry.name} has {shown}")


def _is_same(name: str, value: str, expected: str) -> bool:
    match name:
        case "uuid":
            uuid = canonical_uuid(expected)
            return bool(uuid) and value in (uuid, swapped_uuid(uuid))
        case "mac":
            return value == canonical_mac(expected)
        case _:
            return value == expected.strip()
