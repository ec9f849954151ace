"""API tokens that operators create for themselves on the account page."""

from __future__ import annotations

import re

import httpx2
import pytest

from bootgrant.approval.operators import Kind, Role
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.grants import UUID
from support.office import Office, Person, text_of
from support.site import CONFIG

pytestmark = pytest.mark.anyio


async def create(person: Person, name: str = "laptop", role: str = "approver", **more: str) -> httpx2.Response:
    await person.open("/account/tokens/new")
    return await person.send("/account/tokens/new", name=name, role=role, days="30", **more)


def shown_in(page: httpx2.Response) -> str:
    [token] = re.findall(r'value="(bootgrant_[A-Za-z0-9_-]{43})"', page.text)
    return str(token)


async def call(office: Office, token: str, path: str = "whoami") -> httpx2.Response:
    headers = {"authorization": f"Bearer {token}"}
    async with office.site.client("10.0.0.9") as client:
        return await client.get(f"/api/v1/{path}", headers=headers)


async def test_a_token_is_shown_once_and_acts_as_its_owner(office: Office) -> None:
    ana = await office.person("ana", Role.ADMIN)
    page = await create(ana)
    token = shown_in(page)
    assert page.headers["cache-control"] == "no-store"
    whoami = (await call(office, token)).json()
    assert (whoami["person"], whoami["role"], whoami["via"]) == ("ana", "approver", "token:laptop")
    account = await ana.open("/account")
    assert "laptop · approver valid until" in text_of(account)
    assert token not in account.text
    (record,) = await office.site.database.audit.newest(AuditFilter(), 1)
    rights = {"role_after": "approver", "labels_after": "every machine"}
    done = "created with the role approver, for themselves"
    assert record.event.details == {"token": "laptop", "done": done, **rights}
    assert token not in record.line


async def test_an_old_sign_in_cannot_create_a_token(office: Office) -> None:
    ana = await office.person("ana")
    await ana.open("/account")
    office.site.clock.advance(16 * 60)
    for answer in (await ana.open("/account/tokens/new"), await create(ana)):
        assert answer.headers["location"].startswith("/login/again?next=%2Faccount%2Ftokens%2Fnew")
    assert await office.site.database.api_tokens.tokens() == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"role": "admin"}, "Your role is approver"),
        ({"role": "viewer", "name": "no name"}, "cannot be the name of a token"),
        ({"role": "viewer", "labels": "fra"}, "is not a label"),
        ({"role": "owner"}, "Choose a role"),
    ],
)
async def test_an_invalid_token_is_explained_and_the_typed_text_stays(
    office: Office, fields: dict[str, str], problem: str
) -> None:
    ben = await office.person("ben", Role.APPROVER)
    page = await create(ben, **fields)
    assert (page.status_code, problem in text_of(page)) == (400, True)
    assert f'value="{fields.get("name", "laptop")}"' in page.text
    assert await office.site.database.api_tokens.tokens() == []


async def test_the_token_of_a_disabled_operator_stops_working(office: Office) -> None:
    token = shown_in(await create(await office.person("ana")))
    await office.site.database.operators.set_disabled("ana", office.site.clock.now())
    assert (await call(office, token)).status_code == 401


async def test_operators_can_revoke_their_own_tokens_and_no_others(office: Office) -> None:
    ana, ben = await office.person("ana"), await office.person("ben")
    token = shown_in(await create(ana))
    await ben.open("/account")
    await ben.send("/account/tokens/end", token="laptop")
    assert (await call(office, token)).status_code == 200
    await ana.open("/account")
    assert (await ana.send("/account/tokens/end", token="laptop")).headers["location"] == "/account#tokens"
    assert (await call(office, token)).status_code == 401


async def test_the_break_glass_operator_cannot_create_a_token(office: Office) -> None:
    now = office.site.clock.now()
    await office.site.database.operators.add_operator(Operator("safe", "", now, Role.ADMIN, kind=Kind.BREAK_GLASS))
    safe = await office.person("safe")
    assert "API tokens" not in text_of(await safe.open("/account"))
    assert (await create(safe)).status_code == 403


async def test_a_control_plane_needs_the_tokens_of_two_people(office: Office) -> None:
    config = CONFIG.replace("worker", "controlplane").replace("crt: YQ==", "crt: YQ==, key: YQ==")
    (office.site.machines / f"{UUID}.yaml").write_text(config)
    _, code = await office.machine()
    tokens = [
        shown_in(await create(await office.person(name), name=token_name))
        for name, token_name in (("ana", "desk"), ("ana", "phone"), ("ben", "laptop"))
    ]
    outcomes = []
    async with office.site.client("10.0.0.9") as client:
        for token in tokens:
            sent = {"authorization": f"Bearer {token}"}
            answer = await client.post("/api/v1/approve", json={"code": code}, headers=sent)
            outcomes.append((answer.status_code, answer.json().get("state") or answer.json()["error"]))
    assert outcomes == [(200, "pending"), (409, "same_person"), (200, "approved")]
