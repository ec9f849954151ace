"""The API on admin.sock, as the local commands use it."""

from __future__ import annotations

import json

import pytest

from bootgrant.wire.identity import MachineIdentity
from support.grants import MAC, UUID
from support.office import Office
from support.site import as_user

pytestmark = pytest.mark.anyio


async def test_a_waiting_machine_is_listed_with_everything_on_its_card(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    office.site.clock.advance(42)
    async with office.site.admin() as admin:
        [found] = (await admin.get("/api/v1/pending")).json()["pending"]
    assert found["code"] == code
    assert found["identity"] == {"uuid": UUID, "mac": MAC}
    assert (found["entry"]["name"], found["entry"]["matched"]) == (f"{UUID}.yaml", "uuid")
    assert (found["state"], found["age"], found["left"], found["address"]) == ("pending", 42.0, 558.0, "10.20.0.11")


async def test_an_approval_takes_effect_and_names_the_unix_user(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    async with office.site.admin() as admin:
        answer = await admin.post("/api/v1/approve", json={"code": code.lower()}, headers=as_user("root"))
        shown = (await admin.get(f"/api/v1/grants/{code}")).json()
    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    assert (shown["decided_by"], shown["decided_at"]) == ("root (admin.sock)", office.site.clock.now())
    assert shown["delivered_at"] is None


async def test_a_denial_stores_its_reason(office: Office) -> None:
    _, code = await office.machine()
    async with office.site.admin() as admin:
        answer = (await admin.post("/api/v1/deny", json={"code": code, "reason": "not today"})).json()
    assert (answer["state"], answer["reason"], answer["decided_by"]) == ("denied", "not today", "admin.sock")


@pytest.mark.parametrize(("verb", "more"), [("approve", {}), ("deny", {"reason": "x"})])
async def test_an_unknown_code_is_refused(office: Office, verb: str, more: dict[str, str]) -> None:
    async with office.site.admin() as admin:
        answer = await admin.post(f"/api/v1/{verb}", json={"code": "BBBB-BBBB", **more})
    assert (answer.status_code, answer.json()["error"]) == (404, "unknown")
    assert "no machine has this code" in answer.json()["message"]


async def test_a_decided_expired_or_unknown_machine_cannot_be_approved(office: Office) -> None:
    office.configure()
    _, without = await office.machine(identity=MachineIdentity(serial="0OCZJ19N71"))
    _, decided = await office.machine()
    _, expired = await office.machine(identity=MachineIdentity(serial="0OCZJ19N72"), expires_at=office.site.clock.now())
    async with office.site.admin() as admin:
        await admin.post("/api/v1/deny", json={"code": decided}, headers=as_user("ben"))
        answers = [await admin.post("/api/v1/approve", json={"code": code}) for code in (without, decided, expired)]
    assert [answer.status_code for answer in answers] == [409, 409, 410]
    assert [answer.json()["error"] for answer in answers] == ["no_entry", "already_decided", "expired"]
    assert "already denied by ben (admin.sock), 0 s ago" in answers[1].json()["message"]


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b"3", b"[" * 5000, b'{"code": "' + b"B" * 1_100_000])
async def test_a_body_that_is_not_an_object_is_refused_with_json(office: Office, body: bytes) -> None:
    async with office.site.admin() as admin:
        answer = await admin.post("/api/v1/approve", content=body)
    assert answer.status_code in (400, 413)
    assert json.loads(answer.content)["error"] == "bad_request"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("approve", r'{"codes": ["\ud800"]}'),
        ("unassign", r'{"serial": "a\ud800"}'),
        ("machines/explain", r'{"uuid": "\ud800"}'),
        ("operators", r'{"name": "mal", "role": "viewer", "password": "\ud800 and more of it"}'),
    ],
)
async def test_a_lone_surrogate_is_refused_before_anything_happens(office: Office, path: str, body: str) -> None:
    async with office.site.admin() as admin:
        answer = await admin.post(f"/api/v1/{path}", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert await office.site.database.operators.operators() == []


@pytest.mark.parametrize(
    "members",
    [{"code": ["BBBB-BBBB"]}, {"code": "BBBB-BBBB", "more": 1}, {"code": ""}, {}, {"code": "A", "codes": ["A"]}],
)
async def test_a_body_that_does_not_match_the_document_is_refused(office: Office, members: dict[str, object]) -> None:
    async with office.site.admin() as admin:
        answer = await admin.post("/api/v1/approve", json=members)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


async def test_a_unix_user_name_is_shortened_to_one_line(office: Office) -> None:
    office.configure()
    _, code = await office.machine()
    async with office.site.admin() as admin:
        user = as_user("a\tb" + "x" * 500)
        answer = (await admin.post("/api/v1/approve", json={"code": code}, headers=user)).json()
    assert answer["decided_by"].startswith("a bxxx")
    assert len(answer["decided_by"]) < 90
