"""``[[oidc]]`` and ``[operators]``: sign-in providers, sessions, the second factor."""

from __future__ import annotations

from pathlib import Path

import pytest

from bootgrant.approval.claims import RoleRule
from bootgrant.approval.operators import Label, Role
from bootgrant.service.settings.site import SettingsError, Site, load_site
from bootgrant.wire.secret import Secret
from bootgrant.workflows.people.sign_in_rules import SecondFactor, SessionRules

CORP = """
[[oidc]]
id = "corp"
label = "Corp SSO"
issuer = "https://sso.example.org"
client_id = "bootgrant"
client_secret_file = "corp.secret"
groups_claim = "realm_access.roles"
[[oidc.roles]]
group = "fra"
role = "approver"
labels = ["site=fra"]
[[oidc.roles]]
claim = "email"
value = "ana@example.org"
role = "admin"
"""


def site_of(folder: Path, text: str, url: str = "https://boot.example") -> Site:
    (folder / "corp.secret").write_text("s3cret\n")
    (folder / "bootgrant.toml").write_text(f'public_url = "{url}"\n{text}')
    return load_site(folder / "bootgrant.toml")


def problem(folder: Path, text: str, url: str = "https://boot.example") -> str:
    with pytest.raises(SettingsError) as failure:
        site_of(folder, text, url)
    return str(failure.value)


def test_a_provider_has_its_rules_and_its_secret(tmp_path: Path) -> None:
    (corp,) = site_of(tmp_path, CORP).oidc
    assert (corp.provider_id, corp.label, corp.issuer) == ("corp", "Corp SSO", "https://sso.example.org")
    assert (corp.secret, corp.scopes) == (Secret("s3cret"), ("openid", "profile", "email"))
    assert corp.rules == (
        RoleRule("realm_access.roles", "fra", Role.APPROVER, (Label("site", "fra"),)),
        RoleRule("email", "ana@example.org", Role.ADMIN),
    )
    assert "s3cret" not in repr(corp)


@pytest.mark.parametrize(("written", "seconds"), [("", 0.0), ('role_grace = "36h"', 36 * 3600.0)])
def test_the_last_role_holds_for_no_time_unless_it_is_set(tmp_path: Path, written: str, seconds: float) -> None:
    (corp,) = site_of(tmp_path, CORP.replace("[[oidc.roles]]", f"{written}\n[[oidc.roles]]", 1)).oidc
    assert corp.role_grace == seconds


def test_the_grace_is_at_most_thirty_days(tmp_path: Path) -> None:
    text = CORP.replace("[[oidc.roles]]", 'role_grace = "31d"\n[[oidc.roles]]', 1)
    assert "too long: it must be at most 30d" in problem(tmp_path, text)


@pytest.mark.parametrize(("line", "seconds"), [("", 60.0), ('check_every = "0s"', 0.0), ('check_every = "10s"', 10.0)])
def test_people_are_checked_every_minute_unless_a_setting_says_otherwise(
    tmp_path: Path, line: str, seconds: float
) -> None:
    (corp,) = site_of(tmp_path, CORP.replace("[[oidc.roles]]", f"{line}\n[[oidc.roles]]", 1)).oidc
    assert corp.check_every == seconds


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('id = "corp"', 'id = "Corp!"', "lowercase letters"),
        ("https://sso", "http://sso", "not https"),
        ("https://sso.example.org", "sso", "is not an issuer"),
        ('client_id = "bootgrant"', "", "client_id: required, but not set"),
        ("corp.secret", "nowhere", "cannot be read"),
        ("groups_claim", "group_claim", "no key 'group_claim'; did you mean groups_claim"),
        ('group = "fra"', "", "either a group, or a claim and a value"),
        ('role = "approver"', 'role = "boss"', "not one of viewer, auditor, approver, admin"),
        ("site=fra", "site", "is not a label"),
        ('label = "Corp SSO"', 'scopes = ["profile"]', 'add "openid"'),
        ('label = "Corp SSO"', 'check_every = "1s"', '"0s" turns the checks off'),
        ('label = "Corp SSO"', 'check_every = "2h"', 'not between "10s" and "1h"'),
        ('label = "Corp SSO"', "check_every = 60", "check_every"),
    ],
)
def test_an_error_names_the_provider(tmp_path: Path, before: str, after: str, message: str) -> None:
    assert before in CORP
    error = problem(tmp_path, CORP.replace(before, after, 1))
    assert message in error
    assert "oidc: " in error


def test_a_provider_without_roles_is_refused(tmp_path: Path) -> None:
    assert "without roles nobody could do anything" in problem(tmp_path, CORP.partition("[[oidc.roles]]")[0])


def test_providers_have_different_ids(tmp_path: Path) -> None:
    assert "two [[oidc]] tables have the id 'corp'" in problem(tmp_path, CORP + CORP)
    assert len(site_of(tmp_path, CORP + CORP.replace('"corp"', '"lab"')).oidc) == 2


def test_sessions_have_the_limits_of_the_file(tmp_path: Path) -> None:
    text = '[operators]\nsession_idle = "1h"\nsession_lifetime = "8h"\nfresh = "5m"\n'
    assert site_of(tmp_path, text).operators.sessions == SessionRules(3600.0, 8 * 3600.0, 300.0)
    assert "must be at least 1m" in problem(tmp_path, '[operators]\nfresh = "0s"\n')


def test_a_second_factor_can_be_required_only_where_browsers_support_passkeys(tmp_path: Path) -> None:
    text = '[operators]\nsecond_factor = "required"\n'
    assert site_of(tmp_path, text).operators.second_factor is SecondFactor.REQUIRED
    assert "is neither" in problem(tmp_path, text, "http://10.0.0.1:8080")
    assert "not one of off, required" in problem(tmp_path, '[operators]\nsecond_factor = "yes"\n')
