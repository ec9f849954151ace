"""A machine's uuid, serial and mac compared with the entries."""

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


async def evidence(identity: MachineIdentity, entry: MachineEntry | None, *known: MachineEntry) -> Sequence[Check]:
    claim = Claim(pending_grant(identity=identity)[0], entry)
    return await InventoryEvidence(Entries(list(known))).check(claim)


def verdicts(checks: Sequence[Check]) -> list[Verdict]:
    return [check.verdict for check in checks]


async def test_a_value_of_the_entry_is_a_match_and_a_variable_it_lacks_is_unknown() -> None:
    checks = await evidence(MachineIdentity(UUID, "0OCZJ19N66", MAC), CP1, CP1)
    assert verdicts(checks) == [Verdict.MATCH, Verdict.MATCH, Verdict.UNKNOWN]
    assert "does not specify a mac" in checks[2].detail


async def test_a_serial_number_other_than_the_entrys_is_a_mismatch() -> None:
    checks = await evidence(MachineIdentity(UUID, "EVIL"), CP1, CP1)
    assert verdicts(checks) == [Verdict.MATCH, Verdict.MISMATCH]


async def test_each_check_names_the_variable_that_it_compared() -> None:
    checks = await evidence(MachineIdentity(UUID, "EVIL", MAC), CP1, CP1)
    assert [check.about for check in checks] == [("uuid",), ("serial",), ("mac",)]


async def test_values_of_two_machines_count_against_those_that_are_not_the_entrys() -> None:
    checks = await evidence(MachineIdentity(UUID, "", MAC), CP1, CP1, WORKER)
    assert checks[-1].about == ("mac",)


async def test_a_uuid_in_the_other_byte_order_is_a_match() -> None:
    assert verdicts(await evidence(MachineIdentity(swapped_uuid(UUID)), CP1, CP1)) == [Verdict.MATCH]


async def test_a_value_that_only_fits_a_pattern_is_unknown() -> None:
    spare = MachineEntry("spare", "mac 52:*", match={"mac": ("52:*",)}, exact=False)
    (check,) = await evidence(MachineIdentity(mac=MAC), spare)
    assert check.verdict is Verdict.UNKNOWN
    assert "52:*" in check.detail


async def test_values_of_two_machines_are_a_mismatch() -> None:
    checks = await evidence(MachineIdentity(UUID, "", MAC), CP1, CP1, WORKER)
    assert checks[-1].verdict is Verdict.MISMATCH
    assert "the uuid is cp-1's; the mac is worker-7's" in checks[-1].detail


async def test_a_finished_file_named_after_the_machine_is_a_match() -> None:
    entry = MachineEntry(f"{UUID}.yaml", "uuid")
    assert verdicts(await evidence(MachineIdentity(UUID, "", MAC), entry)) == [Verdict.MATCH, Verdict.UNKNOWN]


async def test_a_machine_without_an_entry_is_unknown() -> None:
    assert verdicts(await evidence(MachineIdentity(UUID), None)) == [Verdict.UNKNOWN]
