"""The page of all API tokens: whose they are, what they may do, and their end; new ones that belong to nobody."""

from __future__ import annotations

import re
from dataclasses import replace

import httpx2
import pytest

from bootgrant.approval.operators import Label, Role
from bootgrant.ports.people import ApiToken
from support.grants import NOW
from support.office import Office, Person, text_of

pytestmark = pytest.mark.anyio
DAY = 86400


async def stored(office: Office, name: str, **more: object) -> None:
    token = ApiToken(name, name.encode().ljust(32, b"."), Role.VIEWER, (), NOW, "root (admin.sock)", NOW + DAY)
    await office.site.database.api_tokens.add_token(replace(token, **more))  # type: ignore[arg-type]


async def create(person: Person, **fields: str) -> httpx2.Response:
    await person.open("/access/tokens/new")
    return await person.send("/access/tokens/new", **{"name": "ci", "days": "30", **fields})


async def test_the_list_says_whose_a_token_is_what_it_may_and_until_when(office: Office) -> None:
    await stored(office, "ci", labels=(Label("site", "fra"),), used_at=NOW - 60)
    await stored(office, "laptop", owner="ben", created_by="ben", role=Role.APPROVER)
    await stored(office, "above", expires_at=NOW - 1)
    auditor = await office.person("ada", Role.AUDITOR)
    page = await auditor.open("/access/tokens")
    words = text_of(page)
    assert "ci viewer · site=fra belongs to nobody, created by root (admin.sock) valid until" in words
    assert "last used 2027-01-15 07:59:00 UTC" in words
    assert "laptop approver · every machine acts for ben valid until 2027-01-16 08:00:00 UTC · never used" in words
    assert words.index("laptop") < words.index("above viewer")
    assert "expired 2027-01-15 07:59:59 UTC" in words
    assert "/access/tokens/revoke" not in page.text


async def test_an_admin_revokes_the_token_of_another_person(office: Office) -> None:
    await stored(office, "laptop", owner="ben", created_by="ben")
    ana = await office.person("ana")
    await ana.open("/access/tokens")
    assert (await ana.send("/access/tokens/revoke", token="laptop")).headers["location"] == "/access/tokens"
    assert await office.site.database.api_tokens.tokens() == []
    again = await ana.send("/access/tokens/revoke", token="laptop")
    assert (again.status_code, "There is no API token named laptop." in text_of(again)) == (404, True)


async def test_a_session_that_ended_leads_back_to_the_list(office: Office) -> None:
    await stored(office, "ci")
    ana = await office.person("ana")
    await ana.open("/access/tokens")
    ana.client.cookies.clear()
    lost = await ana.send("/access/tokens/revoke", token="ci")
    assert lost.headers["location"] == "/login?next=%2Faccess%2Ftokens%3Ftoken%3Dci"
    assert len(await office.site.database.api_tokens.tokens()) == 1


async def test_a_token_of_nobody_is_created_and_shown_once(office: Office) -> None:
    ana = await office.person("ana")
    page = await create(ana, role="viewer", labels="site=fra")
    [secret] = re.findall(r'value="(bootgrant_[A-Za-z0-9_-]{43})"', page.text)
    assert page.headers["cache-control"] == "no-store"
    assert "New API token that belongs to nobody" in text_of(page)
    async with office.site.client("10.0.0.9") as client:
        whoami = await client.get("/api/v1/whoami", headers={"authorization": f"Bearer {secret}"})
    assert (whoami.json()["role"], whoami.json()["labels"], whoami.json()["person"]) == ("viewer", ["site=fra"], None)
    assert secret not in (await ana.open("/access/tokens")).text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"role": "viewer", "name": "c i"}, "cannot be the name of a token"),
        ({"role": "viewer", "labels": "fra"}, "is not a label"),
        ({"role": "viewer", "days": "x"}, "Choose a role and a lifetime"),
        ({"role": "viewer", "days": "900"}, "must be between 1 second and 366 days"),
        ({"role": ""}, "Choose a role and a lifetime"),
    ],
)
async def test_a_token_that_cannot_be_created_is_explained(
    office: Office, fields: dict[str, str], problem: str
) -> None:
    page = await create(await office.person("ana"), **fields)
    assert (page.status_code, problem in text_of(page)) == (400, True)
    assert await office.site.database.api_tokens.tokens() == []


@pytest.mark.parametrize(
    ("path", "role", "lowest"),
    [
        ("/access/tokens/new", Role.ADMIN, "viewer"),
        ("/account/tokens/new", Role.ADMIN, "viewer"),
        ("/account/tokens/new", Role.APPROVER, "viewer"),
        ("/account/tokens/new", Role.AUDITOR, "auditor"),
    ],
)
async def test_a_new_token_has_the_lowest_role_unless_another_is_chosen(
    office: Office, path: str, role: Role, lowest: str
) -> None:
    page = await (await office.person("ana", role)).open(path)
    assert re.findall(r"<option selected>(\w+)</option>", page.text) == [lowest]
