"""An auditor reads everything but configurations, decides nothing, and has an account like anybody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditKind
from bootgrant.approval.operators import Role
from bootgrant.operator_plane.api.routes import ROUTES
from bootgrant.operator_plane.app import PAGES
from support.api_program import program
from support.grants import CODES, UUID
from support.office import Office, text_of
from support.site import CONFIG, site_in_process

pytestmark = pytest.mark.anyio
CONFIGURATION = "/requests/{grant_id}/configuration"
ONE = "/access/operators/{name}"
ACTS = {
    *("/batch", "/audit/undo", "/access/add-operator", "/access/tokens/new", "/access/windows/new"),
    *(f"{ONE}/rights", f"{ONE}/disable", f"{ONE}/reset"),
}
"""Pages that are only a form for an act."""

WRONG = CONFIG.replace("worker", "swordfish")
"""A configuration that Talos refuses; the reason quotes it."""


async def waiting(office: Office, config: str = CONFIG) -> str:
    """Let a machine wait for this configuration. Return the id of its request."""
    (office.site.machines / f"{UUID}.yaml").write_text(config)
    grant, _ = await office.machine()
    return grant.grant_id


def filled(path: str, grant_id: str, **more: str) -> str:
    """Return the path of a route with the request and the entry of ``waiting`` in it."""
    values = {"grant_id": grant_id, "id": grant_id, "code": CODES.of_grant(grant_id)}
    for name, value in {**values, "entry": f"{UUID}.yaml", "name": f"{UUID}.yaml", **more}.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def test_an_auditor_opens_every_page_for_reading(office: Office) -> None:
    grant_id, olaf = await waiting(office), await office.person("olaf", Role.AUDITOR)
    answer = await office.site.admin().post("/api/v1/arm", json={"select": ["*"], "seconds": 60, "count": 1})
    window_id = answer.json()["id"]
    reading = [page.path for page in PAGES if page.method == "GET" and not page.path.startswith(("/login", "/static"))]
    statuses = {}
    for path in reading:
        page = await olaf.open(filled(path, grant_id, name="olaf", window_id=window_id))
        statuses[path] = page.status_code
    refused = {path for path, status in statuses.items() if status == 403}
    assert refused == {*ACTS, CONFIGURATION}
    others = {path: status for path, status in statuses.items() if path not in refused}
    assert others == dict.fromkeys(others, 200) | {"/d/{code}": 303, "/account/passkeys/new": 404}


async def test_an_auditors_token_reads_everything_but_configurations(office: Office) -> None:
    grant_id = await waiting(office)
    async with await program(office, Role.AUDITOR) as client:
        for route in (route for route in ROUTES if route.method == "GET" and "{code}" not in route.path):
            answer = await client.get(filled(route.path, grant_id))
            expected = 403 if route.path.endswith("/configuration") else 200
            assert answer.status_code == expected, (route.path, answer.text)
        operators, tokens = (await client.get("/api/v1/operators")).json(), (await client.get("/api/v1/tokens")).json()
        explained = await client.post("/api/v1/machines/explain", json={"uuid": UUID})
    assert operators["operators"] == []
    assert [token["role"] for token in tokens["tokens"]] == ["auditor"]
    assert explained.json()["entry"]["name"] == f"{UUID}.yaml"


async def test_the_card_of_an_auditor_has_neither_the_configuration_nor_a_button(office: Office) -> None:
    path = f"/requests/{await waiting(office)}"
    olaf, vic = await office.person("olaf", Role.AUDITOR), await office.person("vic", Role.VIEWER)
    assert f"{path}/configuration" in (await vic.open(path)).text
    card = await olaf.open(path)
    assert f"{UUID}.yaml" in text_of(card)
    assert "/configuration" not in card.text
    assert set(re.findall(r'action="([^"]+)"', card.text)) == {"/logout"}
    refused = await olaf.open(f"{path}/configuration")
    assert refused.status_code == 403
    assert "This requires the role viewer, approver or admin" in text_of(refused)
    assert "cluster" not in refused.text


async def all_that(office: Office, role: Role, grant_id: str) -> str:
    """Return every page and every answer of the API that can be read with this role."""
    person = await office.person(role.value, role)
    pages = [filled(page.path, grant_id) for page in PAGES if page.method == "GET"]
    texts = [(await person.open(path)).text for path in pages]
    async with await program(office, role) as client:
        paths = [filled(route.path, grant_id) for route in ROUTES if route.method == "GET"]
        texts += [(await client.get(path)).text for path in paths]
        texts.append((await client.post("/api/v1/machines/explain", json={"uuid": UUID})).text)
    return "\n".join(texts)


async def test_what_is_wrong_with_a_configuration_is_not_for_an_auditor(office: Office) -> None:
    grant_id = await waiting(office, WRONG)
    await office.site.chore("reading of configurations").step()
    await office.site.chore("recording of revisions").step()
    seen = {role: await all_that(office, role, grant_id) for role in Role}
    assert {role: "swordfish" in text for role, text in seen.items()} == {
        Role.VIEWER: True, Role.AUDITOR: False, Role.APPROVER: True, Role.ADMIN: True,
    }  # fmt: skip
    assert "your role must not see which" in seen[Role.AUDITOR]


async def test_an_auditor_learns_that_a_machine_has_no_entry(office: Office) -> None:
    grant, _ = await office.machine()
    olaf = await office.person("olaf", Role.AUDITOR)
    assert "No configuration for this machine" in text_of(await olaf.open(f"/requests/{grant.grant_id}"))


async def test_the_audit_of_an_auditor_is_complete_but_for_reasons_that_quote_a_configuration(office: Office) -> None:
    (office.site.machines / "machines.yaml").write_text("entries: swordfish\n")
    await office.site.chore("reading of configurations").step()
    await office.site.chore("recording of revisions").step()
    async with await program(office, Role.ADMIN) as client:
        [*_, whole] = (await client.get("/api/v1/audit", params={"kind": "config-snapshot"})).json()["events"]
    async with await program(office, Role.AUDITOR) as client:
        [*_, shown] = (await client.get("/api/v1/audit", params={"kind": "config-snapshot"})).json()["events"]
    assert whole["kind"] == AuditKind.CONFIG_SNAPSHOT.value
    assert {name for name in whole if whole[name] != shown[name]} == {"reason"}
    olaf = await office.person("olaf", Role.AUDITOR)
    assert whole["reason"] not in text_of(await olaf.open("/audit"))


OIDC = """
[[oidc]]
id = "corp"
issuer = "https://sso.example"
client_id = "boot"
[[oidc.roles]]
group = "fra-auditors"
role = "auditor"
[[rules]]
name = "spare"
select = ["worker-*"]
networks = ["10.0.0.0/8"]
evidence = ["network"]
"""


@pytest.mark.parametrize("role", Role)
async def test_an_auditor_and_an_admin_see_who_gets_which_role_by_sign_in(tmp_path: Path, role: Role) -> None:
    with site_in_process(tmp_path, OIDC) as site:
        office = Office(site)
        page = await (await office.person("olaf", role)).open("/settings")
        async with await program(office, role) as client:
            answer = (await client.get("/api/v1/settings")).json()["settings"]
    rows = {row["key"]: row for row in answer}
    sees = role in (Role.AUDITOR, Role.ADMIN)
    for key, text in (("oidc", 'group = "fra-auditors", role = "auditor"'), ("rules", 'select = ["worker-*"]')):
        assert (text in text_of(page), text in rows[key]["value"]) == (sees, sees)
        assert rows[key]["is_hidden"] is not sees


async def test_an_auditor_with_labels_does_not_list_accounts(office: Office) -> None:
    async with await program(office, Role.AUDITOR, "site=fra") as client:
        refused = await client.get("/api/v1/operators")
        assert (await client.get("/api/v1/settings")).status_code == 200
    assert refused.status_code == 403
    assert "this needs the role auditor or admin for every machine" in refused.json()["message"]


async def test_an_auditors_own_token_has_at_most_their_role(office: Office) -> None:
    olaf = await office.person("olaf", Role.AUDITOR)
    form = await olaf.open("/account/tokens/new")
    assert re.findall(r"<option[^>]*>([a-z]+)</option>", form.text) == ["auditor"]
    for role in ("viewer", "approver", "admin"):
        refused = await olaf.send("/account/tokens/new", name="laptop", role=role, days="30")
        assert refused.status_code == 400
        assert f"Your role is auditor, so your token cannot have the role {role}" in text_of(refused)
    made = await olaf.send("/account/tokens/new", name="laptop", role="auditor", days="30")
    assert made.status_code == 200
    [token] = await office.site.database.api_tokens.tokens()
    assert (token.role, token.owner) == (Role.AUDITOR, "olaf")


async def test_a_viewers_token_of_a_person_who_became_an_auditor_reads_what_both_may(office: Office) -> None:
    grant_id, vic = await waiting(office), await office.person("vic", Role.VIEWER)
    await vic.open("/account/tokens/new")
    page = await vic.send("/account/tokens/new", name="laptop", role="viewer", days="30")
    [secret] = re.findall(r'value="(bootgrant_[\w-]+)"', page.text)
    async with office.site.client("10.0.0.9") as client:
        client.headers["authorization"] = f"Bearer {secret}"
        assert (await client.get(f"/api/v1/requests/{grant_id}/configuration")).status_code == 200
        async with office.site.admin("root") as admin:
            changed = await admin.patch("/api/v1/operators/vic", json={"role": "auditor"})
        assert changed.status_code == 200
        configuration = await client.get(f"/api/v1/requests/{grant_id}/configuration")
        operators = await client.get("/api/v1/operators")
        assert (await client.get("/api/v1/audit")).status_code == 200
    assert (configuration.status_code, operators.status_code) == (403, 403)
    message = configuration.json()["message"]
    assert "has the role viewer, limited to what the role auditor may do" in message, json.dumps(message)
