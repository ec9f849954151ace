"""Keycloak is down and comes back, and the clocks of the two servers differ."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers_real.company import platform
from support.keycloak import Realm
from support.keycloak_pages import type_password
from support.wrong_clock import WrongClock


def test_keycloak_is_down_and_comes_back(realm: Realm, tmp_path: Path) -> None:
    with platform(tmp_path, realm) as there:
        before = there.sign_in("ana")
        before.get_by_role("heading", name="corp:ana").wait_for()
        realm.server.kill()
        there.site.stop()
        there.site.start()
        before.reload()
        before.get_by_role("heading", name="corp:ana").wait_for()

        page = there.go_again_to_keycloak()
        page.get_by_text("The provider did not respond to this server").wait_for()
        page.get_by_role("link", name="Sign in", exact=True).click()
        page.get_by_label("Name").fill(there.site.made.operator)
        page.get_by_label("Password").fill(there.site.made.password.reveal())
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.get_by_role("heading", name=there.site.made.operator).wait_for()

        realm.server.start()
        there.context.clear_cookies()
        there.sign_in("ana").get_by_role("heading", name="corp:ana").wait_for()


@pytest.mark.parametrize("seconds", [-60, +60])
def test_clocks_may_differ_by_a_minute(realm: Realm, tmp_path: Path, seconds: int) -> None:
    clock = WrongClock(tmp_path / "clock")
    clock.shift(seconds)
    with platform(tmp_path, realm, clock=clock.variables) as there:
        page = there.sign_in("ana")
        page.get_by_role("heading", name="corp:ana").wait_for()
        page.goto(f"{there.site.url}/login/again?next=/account")
        page.get_by_role("link", name="Continue with Corp SSO").click()
        type_password(page)
        page.get_by_role("heading", name="corp:ana").wait_for()


def test_a_clock_that_is_further_behind_is_named_in_the_log(realm: Realm, tmp_path: Path) -> None:
    clock = WrongClock(tmp_path / "clock")
    clock.shift(-90)
    with platform(tmp_path, realm, clock=clock.variables) as there:
        page = there.sign_in("ana")
        page.get_by_role("heading", name="Could not sign in with Corp SSO").wait_for()
        assert "clock" in there.site.log
