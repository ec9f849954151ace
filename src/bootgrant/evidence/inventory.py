"""Evidence from the entries: whether they name this machine, and whether its uuid, serial and mac belong together."""

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
    """ports.evidence.EvidenceSource on the entries."""

    source: ConfigSource
    name: str = _NAME
    keeps: float = 0.0
    is_quick: bool = True

    async def check(self, claim: Claim) -> Sequence[Check]:
        """Check each of uuid, serial and mac that the machine reported, and whether they are all one machine's."""
        identity, entry = claim.grant.identity, claim.entry
        if entry is None:
            checks = [Check(_NAME, Verdict.UNKNOWN, "no entry matches this machine")]
        else:
            given = [(name, getattr(identity, name)) for name in MachineIdentity.STRONG]
            checks = [_check_variable(name, value, entry) for name, value in given if value]
        owners = await self._owners(identity)
        if len(set(owners.values())) > 1:
            listed = "; ".join(f"the {name} is {owner}'s" for name, owner in owners.items())
            detail = f"these values belong to different machines: {listed}"
            others = tuple(name for name, owner in owners.items() if entry is None or owner != entry.name)
            checks.append(Check(_NAME, Verdict.MISMATCH, detail, others))
        return checks

    async def _owners(self, identity: MachineIdentity) -> dict[str, str]:
        """Return the entry that names each value exactly, by variable."""
        owners: dict[str, str] = {}
        for name in MachineIdentity.STRONG:
            value = getattr(identity, name)
            owner = await self.source.find_entry(MachineIdentity(**{name: value})) if value else None
            if owner is not None and owner.exact:
                owners[name] = owner.name
        return owners


def _check_variable(name: str, value: str, entry: MachineEntry) -> Check:
    verdict, detail = _compare(name, value, entry)
    return Check(_NAME, verdict, detail, (name,))


def _compare(name: str, value: str, entry: MachineEntry) -> tuple[Verdict, str]:
    expected = entry.match.get(name)
    if expected is None:
        if entry.exact and entry.matched == name:
            return Verdict.MATCH, f"{name} is {entry.name}'s"
        return Verdict.UNKNOWN, f"{entry.name} does not specify a {name}"
    if any(_is_same(name, value, text) for text in expected if not _PATTERN & set(text)):
        return Verdict.MATCH, f"{name} is {entry.name}'s"
    shown = ", ".join(expected[:3]) + (", …" if len(expected) > 3 else "")
    if any(fnmatchcase(value.lower(), text.lower()) for text in expected):
        return Verdict.UNKNOWN, f"{name} fits only the pattern {shown}, like that of other machines"
    return Verdict.MISMATCH, f'{name} is "{value}", but {entry.name} has {shown}'


def _is_same(name: str, value: str, expected: str) -> bool:
    match name:
        case "uuid":
            uuid = canonical_uuid(expected)
            return bool(uuid) and value in (uuid, swapped_uuid(uuid))
        case "mac":
            return value == canonical_mac(expected)
        case _:
            return value == expected.strip()
