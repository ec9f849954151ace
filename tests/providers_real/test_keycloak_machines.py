"""Machines that are authorized at Keycloak, with the commands and settings of docs/providers/keycloak.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from providers_real.keycloak_recipe import (
    MACHINES,
    OTHER_CHECKS,
    PEOPLE,
    SECRET,
    Corp,
    answer_at_keycloak,
    phone,
)
from support.keycloak_pages import sign_in_at_keycloak
from support.screenshot import read_qr, screenshot
from support.site import CONFIG, booting, wait_until

pytestmark = pytest.mark.timeout(600)
_OAUTH = "talos.config.oauth."
NO_SECRET = "Invalid client or Invalid client credentials"


@pytest.mark.parametrize(
    ("heading", "number", "words"),
    [
        (MACHINES, 0, ()),
        (MACHINES, 0, ("--compat", "talos")),
        (OTHER_CHECKS, 0, ()),
        (OTHER_CHECKS, 1, ()),
        (OTHER_CHECKS, 2, ("--token", "id")),
    ],
    ids=["signature", "signature for Talos", "introspection", "userinfo", "ID token"],
)
def test_a_machine_at_keycloak_gets_its_configuration(
    heading: str, number: int, words: tuple[str, ...], there: Corp, tmp_path: Path
) -> None:
    with there.site(tmp_path, heading, number), there.machine(tmp_path, *words) as waiting:
        answer_at_keycloak(waiting.complete_url())
        assert waiting.delivered() == CONFIG


def test_a_person_outside_the_group_approves_nothing(there: Corp, tmp_path: Path) -> None:
    with there.site(tmp_path, MACHINES), there.machine(tmp_path) as waiting:
        answer_at_keycloak(waiting.complete_url(), "ben")
        waiting.shows("approver has no right")
        assert not waiting.output.exists()


def settings_for(there: Corp, client: str) -> str:
    return there.recipe.only("toml", MACHINES).replace('client_ids = ["machines"]', f'client_ids = ["{client}"]')


def test_a_client_that_requires_pkce_works_with_acquire_and_its_issuer(strict: Corp, tmp_path: Path) -> None:
    with (
        strict.site_with(tmp_path, settings_for(strict, "with-pkce")),
        strict.machine(tmp_path, "--issuer", strict.realm.issuer, client="with-pkce") as waiting,
    ):
        answer_at_keycloak(waiting.complete_url())
        assert waiting.delivered() == CONFIG


def test_a_client_with_a_secret_works_with_acquire(strict: Corp, tmp_path: Path) -> None:
    with (
        strict.site_with(tmp_path, settings_for(strict, "with-secret")),
        strict.machine(tmp_path, client="with-secret", more=f"{_OAUTH}client_secret={SECRET}") as waiting,
    ):
        answer_at_keycloak(waiting.complete_url())
        assert waiting.delivered() == CONFIG


@pytest.mark.parametrize(
    ("client", "more", "words"),
    [
        ("with-pkce", "", "Missing parameter: code_challenge_method"),
        ("with-secret", f"{_OAUTH}client_secret={SECRET}", NO_SECRET),
    ],
)
def test_a_talos_node_fails_in_words_at_such_a_client(
    client: str, more: str, words: str, strict: Corp, tmp_path: Path
) -> None:
    with strict.machine(tmp_path, "--compat", "talos", client=client, more=more) as failing:
        assert failing.process.wait(60) != 0
        assert words in failing.said


def test_a_denial_reaches_the_machine(there: Corp, tmp_path: Path) -> None:
    with there.machine(tmp_path, "--on-denial", "exit") as waiting:
        answer_at_keycloak(waiting.complete_url(), button="No")
        assert waiting.process.wait(60) == 8
        assert "The end user denied the authorization request" in waiting.said


def test_an_expired_code_is_replaced_and_the_next_one_approved(there: Corp, tmp_path: Path) -> None:
    there.realm.change(oauth2DeviceCodeLifespan=7)
    try:
        with there.site(tmp_path, MACHINES), there.machine(tmp_path) as waiting:
            waiting.code()
            there.realm.change(oauth2DeviceCodeLifespan=600)
            first, second = waiting.complete_url(), waiting.complete_url(2)
            assert first != second
            answer_at_keycloak(second)
            assert waiting.delivered() == CONFIG
    finally:
        there.realm.change(oauth2DeviceCodeLifespan=600)


def test_keys_are_rotated_while_a_machine_waits(there: Corp, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    with there.site(tmp_path, MACHINES):
        with there.machine(tmp_path / "first") as earlier:
            answer_at_keycloak(earlier.complete_url())
            assert earlier.delivered() == CONFIG
        with there.machine(tmp_path) as waiting:
            url = waiting.complete_url()
            there.realm.rotate_keys()
            answer_at_keycloak(url)
            assert waiting.delivered() == CONFIG


def test_a_machine_waits_until_keycloak_is_back(there: Corp, tmp_path: Path) -> None:
    """Keycloak keeps its codes in memory: the machine finds that out, and shows a new one."""
    with there.site(tmp_path, MACHINES), there.machine(tmp_path) as waiting:
        first = waiting.complete_url()
        there.realm.server.kill()
        there.realm.server.start()
        second = waiting.complete_url(2)
        assert second != first
        answer_at_keycloak(second)
        assert waiting.delivered() == CONFIG


def test_a_token_is_checked_as_soon_as_keycloak_is_back(there: Corp, tmp_path: Path) -> None:
    with there.site(tmp_path, MACHINES) as site, there.machine(tmp_path) as waiting:
        url = waiting.complete_url()
        site.kill()
        answer_at_keycloak(url)
        waiting.shows("device authorized")
        there.realm.server.kill()
        site.start()
        waiting.shows("provider down, retrying")
        there.realm.server.start()
        assert waiting.delivered() == CONFIG


def scanned(console: str, code: str) -> str:
    """What a phone reads from the QR code on the console."""
    lines = [line for line in console.splitlines() if line and set(line) <= set("█▀▄ ")]
    address = read_qr(screenshot(lines))
    assert address, console
    assert code[:4] in address
    return address


def test_from_the_qr_code_to_the_configuration_with_keycloak_behind_bootgrant(there: Corp, tmp_path: Path) -> None:
    with there.site(tmp_path, PEOPLE) as site, booting(site.url, tmp_path) as waiting, phone() as page:
        wait_until(lambda: "waiting for the device to be authorized" in waiting.said, "the QR code is complete")
        page.goto(scanned(waiting.said, waiting.code()))
        page.get_by_role("link", name="Sign in with Keycloak").click()
        sign_in_at_keycloak(page, "ana")
        page.get_by_label("Last four characters").fill(waiting.code()[-4:])
        page.get_by_role("button", name="Approve").click()
        assert waiting.delivered() == CONFIG
        page.get_by_role("heading", name="Delivered").first.wait_for()
