"""The audit records who changes operators, tokens and windows, and contains no secrets."""

from __future__ import annotations

import pytest

from bootgrant.ports.audit import AuditFilter
from support.office import Office

pytestmark = pytest.mark.anyio


async def test_the_audit_records_changes_of_operators_tokens_and_windows(office: Office) -> None:
    secrets: list[str] = []
    async with office.site.admin("root") as admin:
        for method, path, members in (
            ("POST", "operators", {"name": "ben", "role": "approver"}),
            ("POST", "operators/ben/disable", None),
            ("POST", "tokens", {"name": "ci", "role": "viewer", "seconds": 3600}),
            ("DELETE", "tokens/ci", None),
            ("POST", "arm", {"select": ["site=fra"], "seconds": 60, "count": 2, "name": "rack4"}),
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
