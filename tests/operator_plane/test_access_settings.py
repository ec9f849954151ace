"""The pages of rules and providers: what the settings say, without secrets, and what happened lately."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.approval.audit import AuditEvent, AuditKind
from bootgrant.approval.operators import VIA_RULE, Role
from support.grants import NOW
from support.office import Office, text_of
from support.site import site_in_process

pytestmark = pytest.mark.anyio
SETTINGS = """
[networks.names]
fra-rack4 = ["10.20.0.0/24"]
[[rules]]
name = "spare"
select = ["role=worker,site=fra", "rack4-*"]
networks = ["fra-rack4", "10.21.0.0/16"]
evidence = ["inventory"]
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "https://sso.example.org"
client_id = "bootgrant"
client_secret_file = "oidc.secret"
check_every = "5m"
[[oidc.roles]]
group = "fra-techs"
role = "approver"
labels = ["site=fra"]
[[providers]]
name = "machines"
issuer = "https://idp.example.org"
audiences = ["bootgrant"]
[[providers.rules]]
claims = {groups = "platform"}
select = ["role=worker"]
control_plane = true
"""


async def test_rules_are_shown_in_words_with_how_often_each_approved_lately(tmp_path: Path) -> None:
    (tmp_path / "oidc.secret").write_text("very secret")
    with site_in_process(tmp_path, SETTINGS) as site:
        office = Office(site)
        day = 86400
        await site.database.audit.append(
            [AuditEvent(NOW - age * day, AuditKind.APPROVED, "rule spare", VIA_RULE) for age in (31, 3, 2)]
        )
        page = await (await office.person("ada", Role.AUDITOR)).open("/access/rules")
    words = text_of(page)
    assert (
        "spare approves role=worker,site=fra or rack4-* · from fra-rack4 (10.20.0.0/24), 10.21.0.0/16 · "
        "evidence must match: inventory 2 approvals in the last 30 days, the last one 2027-01-13 08:00:00 UTC"
    ) in words
    assert 'href="/audit?who=rule%20spare"' in page.text.replace("+", "%20")


async def test_providers_are_shown_with_their_roles_and_without_secrets(tmp_path: Path) -> None:
    (tmp_path / "oidc.secret").write_text("very secret")
    with site_in_process(tmp_path, SETTINGS) as site:
        page = await (await Office(site).person("ada", Role.AUDITOR)).open("/access/providers")
    words = text_of(page)
    assert "Corp SSO issuer https://sso.example.org id corp checks whether sessions continue, every 5 min" in words
    assert "If the claim groups contains fra-techs , the role is approver for site=fra" in words
    assert "machines issuer https://idp.example.org tokens are checked by jwt" in words
    assert "If the claims fit groups = platform , the person approves role=worker , also control planes" in words
    assert "The last check failed" not in words
    assert ("very secret" in page.text, "oidc.secret" in page.text) == (False, False)


async def test_a_site_without_rules_and_providers_says_so(office: Office) -> None:
    ana = await office.person("ana")
    assert "There are no rules" in text_of(await ana.open("/access/rules"))
    assert "people sign in here with a password or a passkey" in text_of(await ana.open("/access/providers"))
