"""The undo as a page and in the API: who may, what is shown before, and what is said afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from bootgrant.approval.operators import Label, Role
from bootgrant.approval.transitions import GrantState
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.grants import NOW
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio


async def approved_by_ben(office: Office) -> tuple[str, Person]:
    """Return the id of a request that ben approved on the page, and his browser."""
    office.configure()
    grant, _ = await office.machine()
    ben = await office.person("ben", Role.APPROVER)
    await ben.open(f"/requests/{grant.grant_id}")
    done = await ben.send(f"/requests/{grant.grant_id}/approve")
    assert done.status_code == 303, text_of(done)
    return grant.grant_id, ben


async def state_of(office: Office, grant_id: str) -> GrantState:
    found = await office.site.database.grants.find_grant(grant_id)
    assert found is not None
    return found.state


async def test_the_page_shows_what_can_be_undone_and_then_what_was(office: Office) -> None:
    grant_id, ben = await approved_by_ben(office)
    await ben.open("/account/tokens/new")
    await ben.send("/account/tokens/new", name="laptop", role="viewer", labels="", days="30")
    ana = await office.person("ana")
    assert 'href="/audit/undo?by=ben"' in (await ana.open("/audit?who=ben")).text
    preview = await ana.open("/audit/undo?by=ben&since=2h")
    assert "The approval will be revoked:" in text_of(preview)
    assert f"/requests/{grant_id}" in preview.text
    assert "approved by ben" in text_of(preview)
    assert "End 1 session" in text_of(preview)
    assert "Revoke 1 API token laptop : viewer, created by ben" in text_of(preview)
    assert "ben can sign in until you disable the account. Disable ben…" in text_of(preview)
    assert 'href="/access/operators/ben/disable"' in preview.text
    assert await state_of(office, grant_id) is GrantState.APPROVED
    done = await ana.send("/audit/undo", by="ben", since="2027-01-15T06:00:00.000Z", sessions="1")
    page = text_of(done)
    assert (done.status_code, "1 approval taken back" in page, "Session ended:" in page) == (200, True, True)
    assert "API token revoked" not in page
    assert await state_of(office, grant_id) is GrantState.REVOKED
    assert (await ben.open("/")).status_code == 303
    assert [token.name for token in await office.site.database.api_tokens.tokens()] == ["laptop"]
    records = await office.site.database.audit.newest(AuditFilter(actor="ana"), 2)
    assert {record.event.reason for record in records} == {"undo of ben since 2027-01-15T06:00:00.000Z"}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("by=ben&since=tomorrow", "'tomorrow' is not a time"),
        ("by=ben&since=23:59", "is in the future"),
        ("by=bne&since=2h", "the nearest names are ben"),
        ("by=%3Cb%3E&since=2h", "There is no operator '<b>'"),
        ("by=ben&since=2h", "This person approved nothing since then"),
    ],
)
async def test_what_cannot_be_undone_is_said(office: Office, query: str, problem: str) -> None:
    await office.site.database.operators.add_operator(Operator("ben", "", NOW, Role.APPROVER))
    page = await (await office.person("ana")).open(f"/audit/undo?{query}")
    assert problem in text_of(page)
    assert "Undo what one person approved" in text_of(page)
    assert 'method="post" action="/audit/undo"' not in page.text


async def test_only_an_admin_of_every_machine_can_undo(office: Office) -> None:
    grant_id, ben = await approved_by_ben(office)
    await office.site.database.operators.add_operator(Operator("cay", "", NOW, Role.ADMIN, (Label("site", "fra"),)))
    for person in (ben, await office.person("cay"), await office.person("vic", Role.VIEWER)):
        assert "/audit/undo" not in (await person.open("/audit")).text
        assert (await person.open("/audit/undo?by=ben&since=2h")).status_code == 403
        await person.open("/account")
        assert (await person.send("/audit/undo", by="ben", since="2h")).status_code == 403
    assert await state_of(office, grant_id) is GrantState.APPROVED


async def ask(office: Office, **members: Any) -> dict[str, Any]:
    sent = {"by": "ben", "since": NOW - 7200, **members}
    answer = await office.site.admin("root").post("/api/v1/undo", json=sent)
    answer.raise_for_status()
    body: dict[str, Any] = answer.json()
    return body


async def test_the_api_lists_the_same_in_a_dry_run_and_in_an_undo(office: Office) -> None:
    grant_id, ben = await approved_by_ben(office)
    armed = {"select": ["role=worker"], "seconds": 60, "count": 2, "name": "rack4", "force": True}
    await ben.open("/account/tokens/new")
    made = await ben.send("/account/tokens/new", name="laptop", role="approver", labels="", days="30")
    token = made.text.partition("bootgrant_")[2][:43]
    async with office.site.client("10.0.0.9") as client:
        headers = {"authorization": f"Bearer bootgrant_{token}"}
        (await client.post("/api/v1/arm", json=armed, headers=headers)).raise_for_status()
    dry = await ask(office, dry_run=True, sessions=True, windows=True, tokens=True)
    assert await state_of(office, grant_id) is GrantState.APPROVED
    done = await ask(office, sessions=True, windows=True, tokens=True)
    for part in ("sessions", "windows"):
        assert done[part] == dry[part] != []
    assert [each["name"] for each in done["tokens"]] == ["laptop"]
    assert [(each["request"], each["given"], each["by"]) for each in done["approvals"]] == [
        (grant_id, "approval", "ben")
    ]
    assert (done["accounts"], done["windows"][0]["by"]) == (["ben"], "ben (token:laptop)")
    assert await state_of(office, grant_id) is GrantState.REVOKED
    nothing = await ask(office, sessions=True, windows=True, tokens=True)
    assert [nothing[part] for part in ("approvals", "sessions", "windows", "tokens")] == [[], [], [], []]


async def test_the_api_refuses_an_unknown_person(office: Office) -> None:
    answer = await office.site.admin("root").post("/api/v1/undo", json={"by": "eve", "since": NOW})
    assert (answer.status_code, answer.json()["error"]) == (409, "refused")
