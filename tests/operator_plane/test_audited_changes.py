"""The audit records who changes operators, tokens and windows, and contains no secrets."""

from __future__ import annotations

import pytest

from bootgrant.ports.audit import AuditFilter
from support.office import Office, text_of

pytestmark = pytest.mark.anyio


async def test_the_audit_records_changes_of_operators_tokens_and_windows(office: Office) -> None:
    secrets: list[str] = []
    async with office.site.admin("root") as admin:
        for method, path, members in (
            ("POST", "operators", {"name": "ben", "role": "approver"}),
            ("POST", "operators/ben/disable", None),
            ("POST", "tokens", {"name": "ci", "role": "viewer", "seconds": 3600}),
            ("DELETE", "tokens/ci", None),
            ("POST", "arm", {"select": ["site=fra"], "seconds": 60, "count": 2, "name": "rack4", "force": True}),
            ("POST", "disarm", {"name": "rack4"}),
        ):
            answer = await admin.request(method, f"/api/v1/{path}", json=members)
            answer.raise_for_status()
            secrets += [answer.json()[name] for name in ("password", "token") if answer.json().get(name)]
    records = await office.site.database.audit.newest(AuditFilter(actor="root (admin.sock)"), 20)
    assert [(record.event.kind.value, record.event.details.get("done")) for record in reversed(records)] == [
        ("operator-changed", "added"),
        ("operator-changed", "disabled"),
        ("token-changed", "created with the role viewer"),
        ("token-changed", "revoked"),
        ("armed", None),
        ("disarmed", None),
    ]
    assert len(secrets) == 2
    assert not any(secret in record.line for secret in secrets for record in records)


async def test_the_audit_shows_the_rights_of_operators_and_tokens_before_and_after_each_change(office: Office) -> None:
    async with office.site.admin("root") as admin:
        for method, path, members in (
            ("POST", "operators", {"name": "ben", "role": "approver", "labels": ["site=fra"]}),
            ("PATCH", "operators/ben", {"role": "admin", "labels": []}),
            ("POST", "operators/ben/disable", None),
            ("POST", "operators/ben/enable", None),
            ("POST", "tokens", {"name": "ci", "role": "viewer", "labels": ["site=ams"], "seconds": 3600}),
            ("DELETE", "tokens/ci", None),
            ("POST", "operators/ben/reset", None),
        ):
            (await admin.request(method, f"/api/v1/{path}", json=members)).raise_for_status()
        events = (await admin.get("/api/v1/audit", params={"actor": "root (admin.sock)"})).json()["events"]
    every = "every machine"
    assert [_rights(event["details"]) for event in reversed(events)] == [
        (None, None, "approver", "site=fra"),
        ("approver", "site=fra", "admin", every),
        ("admin", every, "admin", every),
        ("admin", every, "admin", every),
        (None, None, "viewer", "site=ams"),
        ("viewer", "site=ams", None, None),
        ("admin", every, "admin", every),
    ]
    page = text_of(await (await office.person("ana")).open("/audit?what=people"))
    assert "before: approver, site=fra · after: admin, every machine" in page
    assert "before: viewer, site=ams · after: no rights" in page
    assert "role before" not in page


async def test_the_reset_of_an_operator_records_each_revoked_token(office: Office) -> None:
    ana = await office.person("ana")
    await ana.open("/account/tokens/new")
    made = await ana.send("/account/tokens/new", name="laptop", role="viewer", labels="", days="30")
    assert made.status_code == 200
    async with office.site.admin("root") as admin:
        (await admin.post("/api/v1/operators/ana/reset")).raise_for_status()
    token, operator = reversed(await office.site.database.audit.newest(AuditFilter(actor="root"), 2))
    assert (token.event.details["token"], token.event.reason) == ("laptop", "the operator ana was reset")
    assert (operator.event.details["operator"], operator.event.details["done"]) == ("ana", "reset")


def _rights(details: dict[str, str]) -> tuple[str | None, ...]:
    return tuple(details.get(name) for name in ("role_before", "labels_before", "role_after", "labels_after"))
