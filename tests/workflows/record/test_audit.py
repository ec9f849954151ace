"""The audit as a whole is verified, exported and sealed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Sequence

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind, Broken, Head
from bootgrant.approval.claims import Rights
from bootgrant.approval.grant import Delivery
from bootgrant.approval.operators import VIA_PASSKEY, Actor, Label, Role, socket_actor
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.workflows.record.audit import (
    Change,
    Sealed,
    decided,
    delivered,
    export,
    operator_changed,
    revoked,
    seal,
    token_changed,
    verify,
)
from support.grants import NOW, decision_by, pending_grant
from support.memory.decisions import MemoryAuditLog

pytestmark = pytest.mark.anyio


class Tampered(MemoryAuditLog):
    """An audit that returns other records than were appended, and its true head."""

    def __init__(self, change: tuple[str, str] = ("", ""), keep: int = 1000) -> None:
        super().__init__()
        self.change = change
        self.keep = keep

    async def from_oldest(self, first: int = 1) -> AsyncIterator[Sequence[tuple[str, str]]]:
        async for page in super().from_oldest(first):
            yield [(line.replace(*self.change), digest) for line, digest in page[: self.keep]]


async def filled(audit: MemoryAuditLog, count: int = 5) -> MemoryAuditLog:
    for number in range(count):
        await audit.append([AuditEvent(NOW + number, AuditKind.OPENED, grant_id=f"g{number}")])
    return audit


async def test_an_untouched_audit_holds() -> None:
    check = await verify(await filled(MemoryAuditLog()))
    assert (check.broken, check.records, check.head.seq) == (None, 5, 5)


async def test_a_changed_record_and_a_truncated_chain_are_found() -> None:
    changed = await verify(await filled(Tampered(("g2", "evil"))))
    assert changed.broken == Broken(3, "its digest does not match its content: it was changed")
    truncated = await verify(await filled(Tampered(keep=3)))
    assert truncated.broken == Broken(4, "the chain ends at 3, but it once reached 5")


async def test_a_noted_head_must_be_in_the_chain() -> None:
    audit = await filled(MemoryAuditLog())
    head = await audit.head()
    assert (await verify(audit, head)).broken is None
    assert (await verify(audit, Head(9, "x"))).broken == Broken(6, "the chain ends at 5, but it once reached 9")
    assert (await verify(audit, Head(5, "x"))).broken is not None


async def test_an_export_has_every_record_with_its_digest() -> None:
    audit = await filled(MemoryAuditLog(), 3)
    lines = [json.loads(line) async for line in export(audit)]
    assert [line["grant"] for line in lines] == ["g0", "g1", "g2"]
    assert lines[2]["hash"] == (await audit.head()).digest


async def sealed(audit: MemoryAuditLog, before: float, written: list[str]) -> Sealed | Broken | None:
    return await seal(audit, before, socket_actor("root"), NOW + 99, written.append, lambda: "old.jsonl")


async def test_old_records_are_written_out_and_the_seal_names_them() -> None:
    audit, written = await filled(MemoryAuditLog()), list[str]()
    whole = [line async for line in export(audit)]
    outcome = await sealed(audit, NOW + 3, written)
    assert isinstance(outcome, Sealed)
    assert (outcome.through.seq, outcome.records) == (3, 3)
    assert written == [f"{line}\n" for line in whole[:3]]
    assert outcome.file_sha256 == hashlib.sha256("".join(written).encode()).hexdigest()
    records = await audit.newest(AuditFilter(), 10)
    assert [record.seq for record in records] == [6, 5, 4]
    event = records[0].event
    assert (event.at, event.kind, event.actor, event.via) == (
        NOW + 99,
        AuditKind.SEALED,
        "root (admin.sock)",
        "admin.sock",
    )
    assert event.details == {
        "through": 3,
        "digest": outcome.through.digest,
        "records": 3,
        "file": "old.jsonl",
        "file_sha256": outcome.file_sha256,
    }
    assert (await verify(audit)).broken is None


async def test_nothing_is_sealed_when_no_record_is_that_old() -> None:
    audit, written = await filled(MemoryAuditLog()), list[str]()
    assert await sealed(audit, NOW, written) is None
    assert (written, (await audit.head()).seq) == ([], 5)


async def test_a_broken_chain_is_not_sealed() -> None:
    for change in (("g1", "evil"), ('{"at"', "nonsense")):
        audit = await filled(Tampered(change))
        outcome = await sealed(audit, NOW + 9, [])
        assert isinstance(outcome, Broken)
        assert len(await audit.newest(AuditFilter(), 10)) == 5


async def test_nothing_is_deleted_when_the_file_cannot_be_kept() -> None:
    audit = await filled(MemoryAuditLog())

    def fail() -> str:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await seal(audit, NOW + 9, socket_actor("root"), NOW, lambda _: None, fail)
    assert len(await audit.newest(AuditFilter(), 10)) == 5


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        (GrantState.PENDING, AuditKind.VOTED),
        (GrantState.APPROVED, AuditKind.APPROVED),
        (GrantState.DENIED, AuditKind.DENIED),
    ],
)
def test_the_event_of_a_decision_depends_on_the_grant_after_it(state: GrantState, kind: AuditKind) -> None:
    grant, _ = pending_grant(state=state, votes=(decision_by("ben", NOW),))
    decision = decision_by("ana", NOW + 2, "because", VIA_PASSKEY)
    event = decided(decision, "cp-1", "4f2c9ab", "ab12", [])(grant)
    assert (event.kind, event.at, event.actor, event.via) == (kind, NOW + 2, "ana (passkey)", "passkey")
    assert (event.entry, event.revision, event.digest, event.reason) == ("cp-1", "4f2c9ab", "ab12", "because")
    assert event.details == {"votes": 1, "asked": round(NOW * 1000)}


def test_the_event_of_a_delivery_has_both_digests() -> None:
    grant, _ = pending_grant(entry="cp-1", deliveries=2, approved_sha256="cd34")
    event = delivered(Delivery(NOW + 3, "10.0.0.9", "ab12", 700), "4f2c9ab", "bootgrant")(grant)
    assert (event.kind, event.at, event.address, event.entry) == (AuditKind.DELIVERED, NOW + 3, "10.0.0.9", "cp-1")
    assert (event.digest, event.revision, event.actor) == ("ab12", "4f2c9ab", "")
    assert event.details == {"size": 700, "delivery": 2, "composer": "bootgrant", "approved_sha256": "cd34"}
    without = delivered(Delivery(NOW, "10.0.0.9", "ab12", 700), "", "file")(grant._replace(approved_sha256=""))
    assert "approved_sha256" not in without.details


def test_the_event_of_a_revocation_names_the_entry() -> None:
    grant, _ = pending_grant(entry="cp-1")
    event = revoked(NOW, "ana", "session")(grant)
    assert (event.kind, event.actor, event.via, event.entry) == (AuditKind.REVOKED, "ana", "session", "cp-1")
    assert (event.grant_id, event.identity, event.address) == (grant.grant_id, grant.identity, grant.source_address)


def test_changes_of_operators_and_tokens_name_who_made_them_and_the_rights_before_and_after() -> None:
    ana = Actor("ana", Role.ADMIN, via=VIA_PASSKEY)
    before, after = Rights(Role.VIEWER, (Label("rack", "4"), Label("site", "fra"))), Rights(Role.ADMIN, ())
    had = {"role_before": "viewer", "labels_before": "rack=4 site=fra"}
    has = {"role_after": "admin", "labels_after": "every machine"}
    for done, old, new, rights in (
        ("added", None, after, has),
        ("changed", before, after, had | has),
        ("revoked", before, None, had),
    ):
        change = Change(NOW, ana, done, "because")
        for event, kind, name in (
            (operator_changed(change, "ben", old, new), "operator-changed", {"operator": "ben"}),
            (token_changed(change, "ci", old, new), "token-changed", {"token": "ci"}),
        ):
            assert (event.kind, event.actor, event.via, event.reason) == (kind, "ana (passkey)", "passkey", "because")
            assert event.details == {**name, "done": done, **rights}
