"""Before a control plane is approved, Keycloak asks again for the password of the person who is signed in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from providers_real.company import Company, platform
from support.keycloak import Realm
from support.keycloak_pages import sign_in_at_keycloak, type_password
from support.site import booting
from support.wrong_clock import WrongClock

CONTROL_PLANE = "version: v1alpha1\nmachine:\n  type: controlplane\n  ca: {crt: YQ==, key: YQ==}\ncluster: {}\n"


@pytest.fixture
def clock(tmp_path: Path) -> WrongClock:
    """A clock that is 50 seconds behind: set right, a sign-in is a minute old after 10 seconds."""
    made = WrongClock(tmp_path / "clock")
    made.shift(-50)
    return made


@pytest.fixture
def there(realm: Realm, tmp_path: Path, clock: WrongClock) -> Iterator[Company]:
    """A control plane waits for the approval by a person who signed in during the last minute."""
    fresh = 'fresh = "1m"'
    with platform(tmp_path, realm, machine=CONTROL_PLANE, settings=fresh, clock=clock.variables) as made:
        yield made


def approve(page: Page, code: str) -> None:
    page.get_by_label("Last four characters").fill(code[-4:])
    page.get_by_role("button", name="Approve").click()


def is_sent_to_keycloak(there: Company, clock: WrongClock, code: str) -> Page:
    """Ana opens the card of the machine, and approves when her sign-in is older than a minute."""
    page = there.sign_in("ana", f"/d/{code}")
    page.get_by_label("Last four characters").wait_for()
    clock.shift(+15)
    approve(page, code)
    page.get_by_role("heading", name="Confirm that it is you").wait_for()
    page.get_by_role("link", name="Continue with Corp SSO").click()
    page.get_by_text("Please re-authenticate to continue").wait_for()
    return page


def test_the_password_is_asked_for_again_and_then_the_approval_counts_as_one_of_two(
    there: Company, clock: WrongClock, tmp_path: Path
) -> None:
    with booting(there.site.url, tmp_path) as machine:
        code = machine.code()
        page = is_sent_to_keycloak(there, clock, code)
        type_password(page)
        approve(page, code)
        page.get_by_text("1 of 2 approvals").wait_for()
        approve(there.with_new_browser().sign_in("ben", f"/d/{code}"), code)
        assert machine.delivered() == CONTROL_PLANE


def test_another_person_cannot_confirm_it(there: Company, clock: WrongClock, tmp_path: Path) -> None:
    with booting(there.site.url, tmp_path) as machine:
        page = is_sent_to_keycloak(there, clock, machine.code())
        there.realm.log_out("ana")
        page.get_by_role("button", name="Restart login").click()
        sign_in_at_keycloak(page, "ben")
        page.get_by_text("You came back as a different person").wait_for()
        assert "corp:ben" not in there.operators()
        assert machine.process.poll() is None
