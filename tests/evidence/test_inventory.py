"""What the entries say of a machine's variables."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bootgrant.approval.evidence import Check, Verdict
from bootgrant.evidence.inventory import InventoryEvidence
from bootgrant.ports.configurations import MachineEntry
from bootgrant.ports.evidence import Claim
from bootgrant.wire.identity import MachineIdentity, swapped_uuid
from support.entries import Entries
from support.grants import MAC, UUID, pending_grant

pytestmark = pytest.mark.anyio
CP1 = MachineEntry("cp-1", "uuid", match={"uuid": (UUID,), "serial": ("0OCZJ19N65", "0OCZJ19N66")})
WORKER = MachineEntry("worker-7", "mac", match={"mac": (MAC,)})


async def said(identity: MachineIdentity, entry: MachineEntry | None, *known: MachineEntry) -> Sequence[Check]:
    claim = Claim(pending_grant(identity=identity)[0], entry)
    return await InventoryEvidence(Entries(list(known))).check(claim)


def verdicts(checks: Sequence[Check]) -> list[Verdict]:
    return [check.verdict for check in checks]


async def test_what_the_entry_names_matches_and_what_it_does_not_name_is_unknown() -> None:
    checks = await said(MachineIdentity(UUID, "0OCZJ19N66", MAC), CP1, CP1)
    assert verdicts(checks) == [Verdict.MATCH, Verdict.MATCH, Verdict.UNKNOWN]
    assert "names no mac" in checks[2].detail


async def test_another_serial_than_the_entry_has_is_a_mismatch() -> None:
    checks = await said(MachineIdentity(UUID, "EVIL"), CP1, CP1)
    assert verdicts(checks) == [Verdict.MATCH, Verdict.MISMATCH]


async def test_a_uuid_in_the_other_byte_order_is_the_same() -> None:
    assert verdicts(await said(MachineIdentity(swapped_uuid(UUID)), CP1, CP1)) == [Verdict.MATCH]


async def test_a_pattern_names_no_machine_so_it_never_matches() -> None:
    spare = MachineEntry("spare", "mac 52:*", match={"mac": ("52:*",)}, exact=False)
    (check,) = await said(MachineIdentity(mac=MAC), spare)
    assert check.verdict is Verdict.UNKNOWN
    assert "52:*" in check.detail


async def test_variables_of_two_machines_contradict_each_other() -> None:
    checks = await said(MachineIdentity(UUID, "", MAC), CP1, CP1, WORKER)
    assert checks[-1].verdict is Verdict.MISMATCH
    assert "the uuid is cp-1's; the mac is worker-7's" in checks[-1].detail


async def test_a_file_named_after_the_machine_names_it() -> None:
    entry = MachineEntry(f"{UUID}.yaml", "uuid")
    assert verdicts(await said(MachineIdentity(UUID, "", MAC), entry)) == [Verdict.MATCH, Verdict.UNKNOWN]


async def test_a_machine_without_an_entry_is_unknown() -> None:
    assert verdicts(await said(MachineIdentity(UUID), None)) == [Verdict.UNKNOWN]
