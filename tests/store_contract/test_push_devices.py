"""Devices that get push messages: stored, replaced, changed by their operator only, and removed with the operator."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Role
from bootgrant.approval.push import Wishes, parse_selectors
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import BY_PROVIDER, Operator
from bootgrant.ports.push import PushDevice
from bootgrant.store.database import Database
from support.grants import NOW

pytestmark = pytest.mark.anyio
WISHES = Wishes(known=True, unknown=False, second=True, selectors=parse_selectors("site=fra,role=worker rack4-*"))
PHONE = PushDevice("d1", "ana", "push.example", "Firefox on Android", "sealed", WISHES, NOW)
CHANGED = AuditEvent(NOW, AuditKind.OPERATOR_CHANGED, "ana", "session", details={"operator": "ana"})


@pytest.fixture(autouse=True)
async def people(database: Database) -> None:
    for name in ("ana", "ben"):
        await database.operators.add_operator(Operator(name, "", NOW, Role.APPROVER))


async def test_a_device_is_stored_as_it_was_with_its_audit_event(database: Database) -> None:
    store = database.push_devices
    await store.put_device(PHONE, CHANGED)
    await store.put_device(replace(PHONE, device_id="d0", operator="ben", created_at=NOW + 1))
    assert [device.device_id for device in await store.devices()] == ["d1", "d0"]
    assert await store.devices_of("ana") == [PHONE]
    [event] = await database.audit.newest(AuditFilter(), 5)
    assert event.event.details == {"operator": "ana"}


async def test_a_device_that_another_operator_turns_on_is_theirs(database: Database) -> None:
    store = database.push_devices
    await store.put_device(PHONE)
    await store.put_device(replace(PHONE, operator="ben", wishes=Wishes()))
    assert await store.devices_of("ana") == []
    assert await store.devices() == [replace(PHONE, operator="ben", wishes=Wishes())]


async def test_only_its_operator_changes_and_removes_a_device(database: Database) -> None:
    store = database.push_devices
    await store.put_device(PHONE)
    assert not await store.set_wishes("ben", "d1", Wishes())
    assert not await store.remove_device("ben", "d1", CHANGED)
    assert await store.devices() == [PHONE]
    assert await store.set_wishes("ana", "d1", Wishes(known=False))
    assert (await store.devices())[0].wishes == Wishes(known=False)
    assert await store.remove_device("ana", "d1", CHANGED)
    assert not await store.remove_device("ana", "d1", CHANGED)
    assert len(await database.audit.newest(AuditFilter(), 5)) == 1


async def test_the_last_results_are_stored(database: Database) -> None:
    store = database.push_devices
    await store.put_device(PHONE)
    await store.note_failed("d1", NOW + 5, "answered 503")
    await store.note_sent("d1", NOW + 9)
    await store.note_sent("d2", NOW + 9)
    assert await store.devices() == [replace(PHONE, sent_at=NOW + 9, failed_at=NOW + 5, failure="answered 503")]


@pytest.mark.parametrize("by", ["", BY_PROVIDER])
async def test_an_operator_who_is_disabled_loses_their_devices(database: Database, by: str) -> None:
    store = database.push_devices
    await store.put_device(PHONE)
    await store.put_device(replace(PHONE, device_id="d0", operator="ben"))
    await database.operators.set_disabled("ana", NOW, by=by)
    assert [device.operator for device in await store.devices()] == ["ben"]
    await database.operators.set_disabled("ben", None, by=by)
    assert [device.operator for device in await store.devices()] == ["ben"]
    await store.remove_devices("ben")
    assert await store.devices() == []
