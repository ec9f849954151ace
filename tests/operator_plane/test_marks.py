"""The marks of what is printed on a machine: what was compared with each value, and nothing more."""

from __future__ import annotations

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Past, PastDelivery
from bootgrant.approval.evidence import Check, Verdict
from bootgrant.approval.transitions import GrantState
from bootgrant.operator_plane.pages.machine_rows import distinguished, row_of
from bootgrant.operator_plane.pages.machine_view import evidence_of
from bootgrant.operator_plane.pages.marks import marks_of, shared_beginning
from bootgrant.wire.identity import MachineIdentity
from bootgrant.workflows.decide.grant_cards import GrantCard
from support.grants import MAC, NOW, UUID, pending_grant
from support.office import Office, text_of

MACHINE = MachineIdentity(UUID, "SN0001", MAC)
MATCH, MISMATCH, UNKNOWN = Verdict.MATCH, Verdict.MISMATCH, Verdict.UNKNOWN


def card(*checks: Check, identity: MachineIdentity = MACHINE, before: MachineIdentity | None = None) -> GrantCard:
    grant, _ = pending_grant(identity=identity)
    past = Past(deliveries=(PastDelivery(NOW, "10.20.0.5", "cp-1", "", before),) if before else ())
    return GrantCard(grant, "WDJB-MJHT", GrantState.PENDING, None, evidence=checks, past=past)


def marks(made: GrantCard) -> dict[str, tuple[str, str]]:
    return {mark.name: (mark.verdict.value, mark.words) for mark in marks_of(made)}


def test_a_value_that_nothing_was_compared_with_is_not_checked() -> None:
    made = card(Check("network", MATCH, "as expected"), Check("history", MATCH, "first request"))
    assert marks(made) == dict.fromkeys(("serial", "mac", "uuid"), ("unknown", "not checked"))


def test_a_mark_is_about_its_own_value_and_says_what_was_compared() -> None:
    made = card(
        Check("inventory", MATCH, "", ("uuid",)),
        Check("bmc", MATCH, "", ("serial",)),
        Check("inventory", MISMATCH, "", ("mac",)),
        Check("bmc", MATCH, "", ("mac",)),
    )
    assert marks(made) == {
        "serial": ("match", "confirmed by bmc"),
        "mac": ("mismatch", "differs from the inventory"),
        "uuid": ("match", "matches the inventory"),
    }


def test_a_value_as_at_the_last_delivery_matches_and_another_does_not() -> None:
    before = MachineIdentity(serial="SN0001", mac="52:00:00:00:00:09")
    found = marks(card(Check("history", MISMATCH, "", ("mac",)), before=before))
    assert found["serial"] == ("match", "as at the last delivery")
    assert found["mac"] == ("mismatch", "differs from the last delivery")
    assert found["uuid"] == ("unknown", "not checked")


def test_what_a_machine_does_not_report_says_so_and_a_hostname_is_shown_without_anything_better() -> None:
    assert marks(card(identity=MachineIdentity(hostname="spare")))["serial"] == ("unknown", "not reported")
    assert "hostname" in marks(card(identity=MachineIdentity(hostname="spare")))
    assert "hostname" not in marks(card(identity=MachineIdentity(serial="SN1", hostname="spare")))


def test_evidence_that_a_mark_or_the_comparison_shows_is_not_repeated() -> None:
    checks = (
        Check("inventory", MATCH, "serial is cp-1's", ("serial",)),
        Check("inventory", MISMATCH, "mac is wrong", ("mac",)),
        Check("history", MISMATCH, "went to another machine", ("mac",)),
        Check("bmc", MATCH, "on since 2 min", ("serial",)),
        Check("dhcp", UNKNOWN, "no answer"),
    )
    before = MachineIdentity(serial="SN0001", mac="52:00:00:00:00:09")
    found = evidence_of(card(*checks, before=before))
    assert [row.finding for row in found.against] == ["mac is wrong"]
    assert [row.finding for row in found.matches] == ["on since 2 min"]
    assert found.not_checked == "dhcp"
    assert [row.finding for row in evidence_of(card(*checks)).against] == ["mac is wrong", "went to another machine"]


@pytest.mark.parametrize(
    ("name", "values", "shared"),
    [
        ("serial", ("CZJ2190001", "CZJ2190012"), 8),
        ("mac", ("a0:36:9f:00:00:01", "a0:36:9f:00:00:02"), 15),
        ("mac", ("a0:36:9f:00:00:01", "52:36:9f:00:00:02"), 0),
        ("serial", ("CZJ2190001", "CZJ2190001"), 0),
        ("serial", ("CZJ2190001",), 0),
        ("serial", ("CZJ219000\u200b1", "CZJ219000\u200b2"), 0),
    ],
)
def test_what_values_have_in_common_is_faded_if_that_leaves_a_difference(
    name: str, values: tuple[str, ...], shared: int
) -> None:
    assert shared_beginning(name, values) == shared


def test_uuids_with_the_same_last_block_are_shown_in_full() -> None:
    other = "50dcbd19-3b10-444e-bfff-aaee44a51fda"
    rows = distinguished(row_of(card(identity=MachineIdentity(uuid)), True) for uuid in (UUID, other))
    assert [row.has_long_uuid for row in rows] == [True, True]
    assert not distinguished([rows[0]])[0].has_long_uuid


@pytest.mark.anyio
async def test_the_card_marks_each_value_in_words(office: Office) -> None:
    person = await office.person()
    before = AuditEvent(
        NOW - 9, AuditKind.DELIVERED, grant_id="old", identity=MACHINE, address="10.9.9.9", entry="cp-1"
    )
    await office.site.database.audit.append([before])
    grant, _ = await office.machine(identity=MachineIdentity(UUID, "SN0009", MAC))
    page = text_of(await person.open(f"/requests/{grant.grant_id}"))
    assert "Serial SN0009 ▲ differs from the last delivery" in page
    assert f"MAC {MAC} ✓ as at the last delivery" in page
    assert f"UUID … {UUID[-12:]} ✓ as at the last delivery" in page
    assert "Delivered to Now serial SN0001 SN0009" in page
    queue = text_of(await person.open("/"))
    assert "SN0009 ▲ differs from the last delivery" in queue
