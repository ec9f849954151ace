"""The preview of a configuration: who can see its secrets, and what remains of that."""

from __future__ import annotations

import json

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import Label, Role
from bootgrant.operator_plane.api.requests import MOST_LISTED
from bootgrant.ports.audit import AuditFilter
from bootgrant.ports.people import Operator
from support.api_program import program
from support.grants import NOW, UUID
from support.office import Office, text_of

pytestmark = pytest.mark.anyio
CONFIG = f"""\
version: v1alpha1
machine:
  type: worker
  token: swordfish
  network: {{hostname: node-{UUID[:4]}}}
  ca: {{crt: YQ==}}
cluster: {{}}
"""


async def waiting(office: Office) -> str:
    """Return the page of a waiting machine whose configuration has a secret."""
    (office.site.machines / f"{UUID}.yaml").write_text(CONFIG)
    grant, _ = await office.machine()
    return f"/requests/{grant.grant_id}"


async def looks(office: Office) -> list[AuditEvent]:
    found = await office.site.built.decisions.decide.cards.audit.newest(
        AuditFilter((AuditKind.PREVIEW_REVEALED,)), MOST_LISTED
    )
    return [record.event for record in found]


async def test_an_admin_sees_the_secrets_on_the_page_once_and_the_audit_says_so(office: Office) -> None:
    path = await waiting(office)
    ana = await office.person("ana")
    page = await ana.open(f"{path}/configuration")
    assert "token: <redacted>" in text_of(page)
    assert await looks(office) == []
    revealed = await ana.send(f"{path}/configuration/reveal")
    assert "token: swordfish" in text_of(revealed)
    assert revealed.headers["cache-control"] == "no-store"
    assert "swordfish" not in (await ana.open(f"{path}/configuration")).text
    [event] = await looks(office)
    assert (event.actor, event.entry, event.grant_id) == ("ana", f"{UUID}.yaml", path.rpartition("/")[2])
    assert event.identity.uuid == UUID
    assert "swordfish" not in repr(event)
    assert "Secrets of a configuration shown" in text_of(await ana.open("/audit?what=deliveries"))


async def test_the_page_needs_a_recent_sign_in(office: Office) -> None:
    path = await waiting(office)
    ana = await office.person("ana")
    await ana.open(f"{path}/configuration")
    office.site.clock.advance(3600)
    answer = await ana.send(f"{path}/configuration/reveal")
    assert (answer.status_code, answer.headers["location"].startswith("/login/again")) == (303, True)
    assert await looks(office) == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
async def test_lower_roles_neither_see_the_button_nor_the_secrets(office: Office, role: Role) -> None:
    path = await waiting(office)
    ben = await office.person("ben", role)
    page = await ben.open(f"{path}/configuration")
    assert f"node-{UUID[:4]}" in page.text
    assert "swordfish" not in page.text
    assert "reveal" not in page.text
    assert (await ben.send(f"{path}/configuration/reveal")).status_code == 403
    async with await program(office, role) as client:
        assert (await client.post(f"/api/v1{path}/configuration/reveal")).status_code == 403
        assert "swordfish" not in (await client.get(f"/api/v1{path}/configuration")).text
    assert await looks(office) == []


async def test_an_admin_limited_to_other_machines_sees_no_secrets(office: Office) -> None:
    path = await waiting(office)
    await office.site.database.operators.add_operator(Operator("cay", "", NOW, Role.ADMIN, (Label("site", "fra"),)))
    cay = await office.person("cay")
    assert "reveal" not in (await cay.open(f"{path}/configuration")).text
    answer = await cay.send(f"{path}/configuration/reveal")
    assert "swordfish" not in answer.text
    assert "Only an admin who may decide about this machine" in text_of(answer)
    async with await program(office, Role.ADMIN, "site=fra") as client:
        assert (await client.post(f"/api/v1{path}/configuration/reveal")).status_code == 403
    assert await looks(office) == []


async def test_an_admin_token_reads_the_secrets_and_the_audit_names_it(office: Office) -> None:
    path = await waiting(office)
    async with await program(office) as client:
        answer = await client.post(f"/api/v1{path}/configuration/reveal")
        assert (answer.status_code, json.loads(answer.text)["text"]) == (200, CONFIG)
        assert (await client.post("/api/v1/requests/none/configuration/reveal")).status_code == 404
    [event] = await looks(office)
    assert event.via.startswith("token:")


async def test_a_machine_without_an_entry_has_nothing_to_show(office: Office) -> None:
    grant, _ = await office.machine()
    async with await program(office) as client:
        answer = await client.post(f"/api/v1/requests/{grant.grant_id}/configuration/reveal")
    assert (answer.status_code, answer.json()["error"]) == (409, "no_config")
    assert await looks(office) == []
