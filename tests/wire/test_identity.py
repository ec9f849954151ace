"""Machine identities: canonical forms, junk of firmware, contradictions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire.identity import (
    MachineIdentity,
    canonical_mac,
    canonical_serial,
    canonical_uuid,
    swapped_uuid,
)
from support.grants import MAC, UUID


@pytest.mark.parametrize(
    "spelling", [UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f" {UUID}\n", f"urn:uuid:{UUID}"]
)
def test_a_uuid_in_any_spelling_is_one_uuid(spelling: str) -> None:
    assert canonical_uuid(spelling) == UUID


@pytest.mark.parametrize("spelling", ["52-2F-FD-DF-FC-C0", "522f.fddf.fcc0", "522FFDDFFCC0", "52:2f:fd:df:fc:c0"])
def test_a_mac_in_any_spelling_is_one_mac(spelling: str) -> None:
    assert canonical_mac(spelling) == MAC


@pytest.mark.parametrize(
    "junk",
    ["", "00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "${uuid}", "Not Settable",
     "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
     "78563412-3412-7856-90ab-cddeefaabbcc"],
)  # fmt: skip
def test_a_uuid_that_firmware_never_got_identifies_nobody(junk: str) -> None:
    assert canonical_uuid(junk) == ""


@pytest.mark.parametrize(
    "junk", ["To be filled by O.E.M.", "  Default  string ", "0", "0000000", "FFFFFFFF", "...", "123456789", "None"]
)
def test_a_serial_that_firmware_never_got_identifies_nobody(junk: str) -> None:
    assert canonical_serial(junk) == ""


def test_a_real_serial_is_kept_as_it_is() -> None:
    assert canonical_serial(" 0OCZJ19N65 ") == "0OCZJ19N65"


def test_a_hostname_alone_identifies_nobody() -> None:
    assert not MachineIdentity.from_claim({"hostname": "cp-1", "uuid": ""}).identifies()


def test_only_a_variable_given_on_both_sides_contradicts() -> None:
    mine = MachineIdentity(uuid=UUID, mac=MAC)
    assert not mine.contradicts(MachineIdentity())
    assert not mine.contradicts(MachineIdentity(uuid=UUID, serial="X1"))
    assert mine.contradicts(MachineIdentity(uuid=UUID, mac="52:2f:fd:df:fc:c1"))


def test_the_other_byte_order_of_smbios_is_its_own_inverse() -> None:
    assert swapped_uuid(UUID) == "19bddc40-103b-4e44-bfff-aaee44a51fda"
    assert swapped_uuid(swapped_uuid(UUID)) == UUID


@given(st.text(), st.text(), st.text())
def test_any_claim_becomes_canonical_once_and_for_all(uuid: str, serial: str, mac: str) -> None:
    once = MachineIdentity.from_claim({"uuid": uuid, "serial": serial, "mac": mac})
    assert MachineIdentity.from_claim(once.given()) == once
