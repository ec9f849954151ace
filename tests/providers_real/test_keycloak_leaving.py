"""Who leaves Keycloak loses everything here within seconds; who signs out here loses no approval.

Keycloak calls the site when a person is signed out. It calls nobody when a person is disabled or removed: the site
finds that with the refresh token of the session.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page

from providers_real.company import Company, company
from support.keycloak import Realm
from support.machine import DEVICE_GRANT, TALOS
from support.site import CONFIG, wait_until

BUTTON = 'confirm = "button"'
NO_CHECKS = 'check_every = "0s"'
OFTEN = 'check_every = "10s"'


@dataclass(slots=True)
class Approved:
    """A machine that ana approved, or is looking at, and that has not asked again; ``page`` is her browser's."""

    there: Company
    page: Page
    codes: dict[str, Any]

    def poll(self) -> dict[str, Any]:
        form = {**TALOS, "grant_type": DEVICE_GRANT, "device_code": self.codes["device_code"]}
        answer: dict[str, Any] = httpx2.post(f"{self.there.site.url}/token", data=form, timeout=60).json()
        return answer

    def fetch(self) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.poll()['access_token']}"}
        return httpx2.get(f"{self.there.site.url}/config", headers=headers, timeout=60)

    def void(self) -> list[dict[str, Any]]:
        """The audit's records of void approvals."""
        printed = self.there.site.command("audit", "--kind", "voided", "--json").stdout
        return [json.loads(line) for line in printed.splitlines()]

    def loses_everything(self, why: str) -> None:
        """Wait until the approval is void and the session has ended."""
        began = time.monotonic()
        wait_until(lambda: bool(self.void()), "the approval is void", 40)
        print(f"{why}: void after {time.monotonic() - began:.1f} s")
        assert why in json.dumps(self.void())
        assert self.poll()["error"] == "expired_token"
        self.is_signed_out()

    def is_signed_out(self) -> None:
        self.page.goto(f"{self.there.site.url}/account")
        self.page.get_by_role("heading", name="Sign in").wait_for()


@contextmanager
def looking(folder: Path, realm: Realm, oidc: str, *, called: bool = True, session: bool = True) -> Iterator[Approved]:
    """Let ana sign in and look at a machine. Keycloak knows the logout address if ``called``."""
    realm.add_group("/platform")
    realm.add_user("ana", groups=["/platform"])
    with company(folder, realm, oidc=oidc, settings=BUTTON) as there:
        realm.map_groups("pages", full_path=False)
        if called:
            attributes = {
                "backchannel.logout.url": f"{there.site.url}/login/oidc/corp/logout",
                "backchannel.logout.session.required": str(session).lower(),
                "post.logout.redirect.uris": f"{there.site.url}/login",
            }
            realm.change_client("pages", attributes=attributes)
        page = there.sign_in("ana")
        page.get_by_role("heading", name="corp:ana").wait_for()
        codes: dict[str, Any] = httpx2.post(f"{there.site.url}/device/code", data=TALOS).json()
        page.goto(codes["verification_uri_complete"])
        page.get_by_role("button", name="Approve").wait_for()
        yield Approved(there, page, codes)


@contextmanager
def approved(folder: Path, realm: Realm, oidc: str, *, called: bool = True, session: bool = True) -> Iterator[Approved]:
    """Let ana approve the machine."""
    with looking(folder, realm, oidc, called=called, session=session) as one:
        one.page.get_by_role("button", name="Approve").click()
        one.page.get_by_role("heading", name="Approved").wait_for()
        yield one


@pytest.mark.parametrize("session", [True, False], ids=["with sid", "without sid"])
def test_an_admin_who_signs_a_person_out_takes_everything_within_seconds(
    realm: Realm, tmp_path: Path, session: bool
) -> None:
    with approved(tmp_path, realm, NO_CHECKS, session=session) as one:
        realm.log_out("ana")
        one.loses_everything("signed out at the provider corp")


def test_without_a_logout_address_the_check_finds_a_signed_out_person(realm: Realm, tmp_path: Path) -> None:
    with approved(tmp_path, realm, OFTEN, called=False) as one:
        realm.log_out("ana")
        one.loses_everything("signed out at the provider corp: Session not active")


def test_a_disabled_person_loses_everything_at_the_next_check(realm: Realm, tmp_path: Path) -> None:
    with approved(tmp_path, realm, OFTEN) as one:
        realm.change_user("ana", enabled=False)
        one.loses_everything("disabled at the provider corp: User disabled")
        assert "disabled" in one.there.operators()
        realm.change_user("ana", enabled=True)
        # Her session at Keycloak was only suspended.
        page = one.there.go_to_keycloak()
        page.get_by_role("heading", name="corp:ana").wait_for()
        assert "disabled" not in one.there.operators()


def test_a_removed_person_loses_everything_at_the_next_check(realm: Realm, tmp_path: Path) -> None:
    with approved(tmp_path, realm, OFTEN) as one:
        realm.remove_user("ana")
        one.loses_everything("signed out at the provider corp: Session not active")


def test_a_sign_out_here_and_there_loses_nothing(realm: Realm, tmp_path: Path) -> None:
    with approved(tmp_path, realm, OFTEN) as one:
        page, site = one.page, one.there.site
        page.goto(f"{site.url}/account")
        page.get_by_role("main").get_by_role("button", name="Sign out").click()
        page.get_by_role("link", name="Sign out at Corp SSO too").click()
        page.get_by_role("heading", name="Sign in").wait_for()
        assert page.url == f"{site.url}/login"
        wait_until(lambda: "signed out there" in site.log or "logout of" in site.log, "Keycloak has called")
        assert one.void() == []
        assert one.fetch().text == CONFIG
        page.goto(f"{site.url}/account")
        page.get_by_role("link", name="Sign in with Corp SSO").click()
        page.get_by_role("heading", name="Sign in to your account").wait_for()


def test_a_person_who_stays_is_checked_again_and_again_and_loses_nothing(realm: Realm, tmp_path: Path) -> None:
    """Keycloak refuses a refresh token that is used twice, and ends the session."""
    realm.change(revokeRefreshToken=True, refreshTokenMaxReuse=0)
    with approved(tmp_path, realm, OFTEN) as one:
        realm.call("PUT", "/events/config", {"eventsEnabled": True, "enabledEventTypes": ["REFRESH_TOKEN"]})
        wait_until(lambda: len(realm.call("GET", "/events?type=REFRESH_TOKEN")) >= 2, "two more checks", 40)
        one.page.goto(f"{one.there.site.url}/account")
        one.page.get_by_role("heading", name="corp:ana").wait_for()
        assert one.fetch().text == CONFIG


def test_a_person_who_is_disabled_decides_nothing_any_more(realm: Realm, tmp_path: Path) -> None:
    """Before a decision the session is checked if the last check is older than 15 s, also with rare checks."""
    with looking(tmp_path, realm, 'check_every = "1h"') as one:
        began = time.monotonic()
        realm.change_user("ana", enabled=False)
        wait_until(lambda: time.monotonic() - began > 16, "the last check is not fresh", 30)
        one.page.get_by_role("button", name="Approve").click()
        one.page.get_by_role("heading", name="Sign in").wait_for()
        assert one.poll()["error"] == "authorization_pending"
        assert "disabled" in one.there.operators()


def test_an_outage_of_keycloak_takes_nothing(realm: Realm, tmp_path: Path) -> None:
    with approved(tmp_path, realm, OFTEN) as one:
        realm.server.kill()
        wait_until(lambda: "nobody loses anything" in one.there.site.log, "a check has failed", 60)
        assert one.void() == []
        one.page.goto(f"{one.there.site.url}/account")
        one.page.get_by_role("heading", name="corp:ana").wait_for()
        assert one.fetch().text == CONFIG
        realm.server.start()
        realm.change_user("ana", enabled=False)
        wait_until(lambda: "disabled" in one.there.operators(), "the check after the outage", 90)
