"""Machine identities: canonical forms, placeholders of firmware, and what makes two claims agree or contradict."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bootgrant.wire.identity import (
    MachineIdentity,
    canonical_mac,
    canonical_serial,
    canonical_uuid,
    is_junk_serial,
    is_junk_uuid,
    one_order,
    swapped_uuid,
)
from support.grants import MAC, UUID

OTHER_ORDER = "19bddc40-103b-4e44-bfff-aaee44a51fda"
UUIDS = st.uuids().map(str)


@pytest.mark.parametrize(
    "spelling", [UUID, UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f" {UUID}\n", f"urn:uuid:{UUID}"]
)
def test_every_spelling_of_a_uuid_is_the_same_uuid(spelling: str) -> None:
    assert canonical_uuid(spelling) == UUID


@pytest.mark.parametrize("text", ["", "${uuid}", "Not Settable", UUID[:-1], UUID + "0", UUID.replace("4", "g")])
def test_a_text_that_is_not_a_uuid_is_absent(text: str) -> None:
    assert canonical_uuid(text) == ""


@pytest.mark.parametrize(
    "junk",
    ["00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
     "03000200-0400-0500-0006-000700080009", "00020003-0004-0005-0006-000700080009",
     "12345678-1234-5678-90ab-cddeefaabbcc", "78563412-3412-7856-90ab-cddeefaabbcc",
     "12345678-1234-1234-1234-123456789012", "01234567-89ab-cdef-0123-456789abcdef",
     "11111111-2222-3333-4444-555555555555", "fefefefe-fefe-fefe-fefe-fefefefefefe"],
)  # fmt: skip
def test_a_uuid_that_vendors_leave_in_firmware_is_absent(junk: str) -> None:
    assert is_junk_uuid(junk.lower())
    assert canonical_uuid(junk) == canonical_uuid(junk.lower()) == canonical_uuid(junk.replace("-", "")) == ""


def test_the_uuid_of_a_real_machine_is_not_junk() -> None:
    assert not is_junk_uuid(UUID)


def test_swapping_the_byte_order_twice_restores_the_uuid() -> None:
    assert swapped_uuid(UUID) == OTHER_ORDER
    assert swapped_uuid(OTHER_ORDER) == UUID


@given(UUIDS)
def test_both_byte_orders_of_a_uuid_become_the_smaller_one(uuid: str) -> None:
    assert one_order(uuid) == one_order(swapped_uuid(uuid)) == min(uuid, swapped_uuid(uuid))


def test_byte_orders_that_start_with_the_same_byte_become_the_smaller_one_too() -> None:
    uuid = "40ff0040-0000-4000-8000-000000000001"
    assert one_order(uuid) == one_order(swapped_uuid(uuid)) == swapped_uuid(uuid)


@pytest.mark.parametrize(
    "spelling", ["52-2F-FD-DF-FC-C0", "522f.fddf.fcc0", "522FFDDFFCC0", "52:2f:fd:df:fc:c0", " 52:2f:fd:df:fc:c0\n"]
)
def test_every_spelling_of_a_mac_is_the_same_mac(spelling: str) -> None:
    assert canonical_mac(spelling) == MAC


@pytest.mark.parametrize(
    ("digits", "mac"),
    [
        ("0250fffe00010203", "02:50:ff:fe:00:01:02:03"),
        ("80000208fe80" + "0" * 27 + "1", "80:00:02:08:fe:80" + ":00" * 13 + ":01"),
    ],
)
def test_the_longer_addresses_of_eui64_and_infiniband_are_accepted(digits: str, mac: str) -> None:
    assert canonical_mac(digits) == mac


@pytest.mark.parametrize(
    "text",
    ["", "00:00:00:00:00:00", "FF:FF:FF:FF:FF:FF", "ff:ff:ff:ff:ff:ff", "00-00-00-00-00-00", "52:2f:fd:df:fc",
     "52:2f:fd:df:fc:c0:01", "52:2f:fd:df:fc:cg"],
)  # fmt: skip
def test_a_mac_that_is_no_address_is_absent(text: str) -> None:
    assert canonical_mac(text) == ""


@pytest.mark.parametrize(
    "junk",
    ["", "None", "null", "N/A", "na", "nil", "Unknown", "undefined", "Invalid", "empty", "default", "Default string",
     "  Default  string ", "Not Specified", "not applicable", "not available", "not provided", "No Asset Tag", "serial",
     "serial number", "System Serial Number", "chassis serial number", "base board serial number", "system serial",
     "OEM", "O.E.M.", "To be filled by O.E.M.", "To be filled by O.E.M", "to be filled by OEM",
     "to be filled by manufacturer", "Fill By OEM", "123456789", "1234567890", "0123456789", "01234567890123456789",
     "0123456789ABCDEF", "Type1 - Serial Number", "0", "0000000", "FFFFFFFF", "xxxx", "...", "---", "___"],
)  # fmt: skip
def test_a_serial_number_that_vendors_leave_in_firmware_is_absent(junk: str) -> None:
    assert is_junk_serial(junk)
    assert canonical_serial(junk) == ""


@pytest.mark.parametrize("serial", ["0OCZJ19N65", "00000001", "default-1", "0f"])
def test_a_real_serial_number_is_kept(serial: str) -> None:
    assert not is_junk_serial(serial)
    assert canonical_serial(f" {serial} ") == serial


def test_a_claim_becomes_canonical_and_unknown_names_are_ignored() -> None:
    claim = {"uuid": UUID.upper(), "serial": " SN1 ", "mac": "522FFDDFFCC0", "hostname": " node-1 ", "code": "x"}
    identity = MachineIdentity.from_claim(claim)
    assert identity == MachineIdentity(UUID, "SN1", MAC, "node-1")
    assert identity.given() == {"uuid": UUID, "serial": "SN1", "mac": MAC, "hostname": "node-1"}
    assert str(identity) == f"uuid={UUID} serial=SN1 mac={MAC} hostname=node-1"


def test_an_empty_claim_is_unidentified() -> None:
    assert MachineIdentity.from_claim({}).given() == {}
    assert str(MachineIdentity()) == "unidentified"


@given(st.text(), st.text(), st.text(), st.text())
def test_a_canonical_claim_stays_the_same(uuid: str, serial: str, mac: str, hostname: str) -> None:
    once = MachineIdentity.from_claim({"uuid": uuid, "serial": serial, "mac": mac, "hostname": hostname})
    assert MachineIdentity.from_claim(once.given()) == once


@pytest.mark.parametrize(
    ("identity", "identifies"),
    [
        (MachineIdentity(uuid=UUID), True),
        (MachineIdentity(serial="SN1"), True),
        (MachineIdentity(mac=MAC), True),
        (MachineIdentity(hostname="cp-1"), False),
        (MachineIdentity(), False),
    ],
)
def test_a_strong_variable_identifies_a_machine_and_a_hostname_does_not(
    identity: MachineIdentity, identifies: bool
) -> None:
    assert identity.identifies() is identifies


def test_the_key_has_the_strong_variables_with_the_uuid_in_one_byte_order() -> None:
    assert MachineIdentity(uuid=UUID, serial="SN1", mac=MAC, hostname="a").key == f"{OTHER_ORDER}|SN1|{MAC}"
    assert MachineIdentity(uuid=OTHER_ORDER, mac=MAC).key == f"{OTHER_ORDER}||{MAC}"
    assert MachineIdentity(serial="SN1").key == "|SN1|"


@pytest.mark.parametrize(
    ("identity", "strong"),
    [
        (MachineIdentity(UUID, "SN1", MAC, "a"), (("uuid", OTHER_ORDER), ("serial", "SN1"), ("mac", MAC))),
        (MachineIdentity(uuid=UUID, mac=MAC), (("uuid", OTHER_ORDER), ("mac", MAC))),
        (MachineIdentity(serial="SN|1"), (("serial", "SN|1"),)),
        (MachineIdentity(hostname="a"), ()),
    ],
)
def test_the_strong_variables_are_those_present(identity: MachineIdentity, strong: tuple[tuple[str, str], ...]) -> None:
    assert identity.strong() == strong


@pytest.mark.parametrize(
    ("other", "may_be"),
    [
        (MachineIdentity(uuid=UUID), True),
        (MachineIdentity(uuid=OTHER_ORDER, serial="SN2"), True),
        (MachineIdentity(uuid=UUID, mac="52:2f:fd:df:fc:c1"), False),
        (MachineIdentity(serial="SN2"), False),
        (MachineIdentity(hostname="a"), False),
        (MachineIdentity(), False),
    ],
)
def test_two_claims_may_be_one_machine_if_a_strong_variable_agrees_and_none_differs(
    other: MachineIdentity, may_be: bool
) -> None:
    mine = MachineIdentity(uuid=UUID, mac=MAC, hostname="a")
    assert mine.may_be(other) is may_be
    assert other.may_be(mine) is may_be


@pytest.mark.parametrize(
    ("other", "contradicts"),
    [
        (MachineIdentity(), False),
        (MachineIdentity(uuid=UUID, serial="SN1"), False),
        (MachineIdentity(uuid=OTHER_ORDER), False),
        (MachineIdentity(uuid=UUID, mac="52:2f:fd:df:fc:c1"), True),
        (MachineIdentity(uuid="19bddc40-103b-4e44-bfff-aaee44a51fdb"), True),
        (MachineIdentity(hostname="b"), True),
    ],
)
def test_only_a_variable_present_on_both_sides_contradicts(other: MachineIdentity, contradicts: bool) -> None:
    mine = MachineIdentity(uuid=UUID, mac=MAC, hostname="a")
    assert mine.contradicts(other) is contradicts
    assert other.contradicts(mine) is contradicts


@pytest.mark.parametrize(
    ("serial", "shown"),
    [
        ("R640-C1", "serial=R640-C1"),
        ("a mac=52:2f:fd:df:fc:c0", 'serial="a mac=52:2f:fd:df:fc:c0"'),
        ('a" from 10.0.0.1, gets cp-2', r'serial="a\x22 from 10.0.0.1, gets cp-2"'),
        ("a,b=c", 'serial="a,b=c"'),
        ("sérial", 'serial="sérial"'),
    ],
)
def test_a_value_that_could_be_read_as_something_else_is_in_quotes(serial: str, shown: str) -> None:
    assert str(MachineIdentity(serial=serial)) == shown


@given(st.text(min_size=1), st.text(min_size=1))
def test_no_value_can_write_the_rest_of_its_line(serial: str, hostname: str) -> None:
    line = MachineIdentity.shown({"serial": serial, "hostname": hostname})
    value = re.compile(r'(?:[^"\s,=]+|"[^"]*")', re.DOTALL)
    assert re.fullmatch(f"serial={value.pattern} hostname={value.pattern}", line, re.DOTALL)
