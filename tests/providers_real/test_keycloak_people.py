"""People who sign in with the commands and settings of docs/providers/keycloak.md, and leave."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from providers_real.keycloak_recipe import PEOPLE, Corp, phone
from support.keycloak_pages import sign_in_at_keycloak
from support.site import Served, wait_until


def operator(site: Served, name: str) -> list[str]:
    """The row of `bootgrant operators list`: name, role, and the rest."""
    [row] = [
        line.split() for line in site.command("operators", "list").stdout.splitlines() if line.startswith(f"{name} ")
    ]
    return row


def sign_in(there: Corp, site: Served, name: str, heading: str) -> None:
    with phone() as page:
        page.goto(f"{site.url}/account")
        page.get_by_role("link", name="Sign in with Keycloak").click()
        sign_in_at_keycloak(page, name)
        page.get_by_role("heading", name=heading).wait_for()


def test_a_person_who_left_their_last_group_loses_the_role(there: Corp, tmp_path: Path) -> None:
    there.realm.add_user("eva", groups=["/platform"])
    with there.site(tmp_path, PEOPLE) as site:
        sign_in(there, site, "eva", "corp:eva")
        assert operator(site, "corp:eva")[1] == "approver"
        there.realm.leave("eva", "/platform")
        sign_in(there, site, "eva", "Could not sign in with Keycloak")
        assert operator(site, "corp:eva")[1] == "viewer"


def test_keycloak_calls_when_an_administrator_signs_a_person_out(there: Corp, tmp_path: Path) -> None:
    there.realm.add_user("fay", groups=["/platform"])
    with there.site(tmp_path, PEOPLE) as site:
        sign_in(there, site, "fay", "corp:fay")
        there.realm.log_out("fay")
        wait_until(lambda: "corp:fay was signed out there" in site.log, "Keycloak has called")


@pytest.mark.parametrize("name", ["corp.secret", "check.secret"])
def test_nobody_else_can_read_the_secrets(there: Corp, name: str) -> None:
    assert stat.S_IMODE((there.folder / name).stat().st_mode) == 0o600
